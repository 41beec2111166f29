"""Runs in the engine process: implements the engine contract by asking zygote and agents."""
