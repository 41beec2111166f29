"""Runs in helpers inside a sandbox: CRIU, which dumps and restores processes."""
