"""Runs in the engine process: which snapshots and layers exist, and what depends on them."""
