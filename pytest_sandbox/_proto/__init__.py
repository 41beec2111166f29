"""Messages and services generated from `proto/`; regenerate with `proto/generate`."""
