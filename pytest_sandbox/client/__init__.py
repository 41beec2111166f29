"""What a test holds: sandboxes, their processes and their files."""
