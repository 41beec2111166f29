"""GPUs in sandboxes: what of the machine they need, and who has which."""
