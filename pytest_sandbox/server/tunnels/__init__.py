"""Tunnels: ports of sandboxes, reachable from this machine."""
