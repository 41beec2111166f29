"""Runs in the engine process: the engine contract, kept by asking the zygote and agents."""
