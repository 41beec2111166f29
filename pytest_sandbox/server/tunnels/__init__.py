"""Tunnels: listeners on this machine that lead to ports of sandboxes. No servicers."""
