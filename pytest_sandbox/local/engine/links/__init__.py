"""Runs in the engine process: its ends of the sockets to the zygote, the gateway and helpers."""
