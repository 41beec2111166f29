"""What the report of a failing test shows of its sandboxes, and hints."""
