"""Connections out of sandboxes in memory: what the policy allows, to what a test scripts."""
