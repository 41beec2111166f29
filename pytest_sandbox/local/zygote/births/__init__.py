"""Making PIDs 1: those of sandboxes, and one that is made ahead."""
