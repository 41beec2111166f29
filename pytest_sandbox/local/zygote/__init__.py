"""Runs in the zygote, as root of its own mount namespace, and in helpers that it forks."""
