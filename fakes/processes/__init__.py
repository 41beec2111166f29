"""Processes in memory: descriptors, terminals, signals, and what a snapshot keeps of them."""
