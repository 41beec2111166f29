"""Runs in the engine process: implements the engine contract, by asking the zygote and agents."""
