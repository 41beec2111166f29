"""The server: all policy, once for every engine."""
