"""What main processes have written, as logs with times."""
