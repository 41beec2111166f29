"""Apps: names that group sandboxes."""
