"""Processes in memory: descriptors, terminals, signals, ports, snapshots. No programs."""
