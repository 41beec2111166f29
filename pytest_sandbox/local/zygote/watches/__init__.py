"""Looks from time to time at what the kernel does not see to: memory, and what does not end."""
