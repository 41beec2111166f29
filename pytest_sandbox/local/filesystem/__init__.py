"""Runs in the zygote, its helpers and new sandboxes: mounts, layers, trees."""
