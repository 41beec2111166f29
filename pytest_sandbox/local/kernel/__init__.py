"""One facility of the kernel per module, as plain functions for any of the processes."""
