"""Runs in the engine process, at its start: what this machine can do, and what sandboxes see."""
