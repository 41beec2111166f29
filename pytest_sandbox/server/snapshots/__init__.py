"""Snapshots of files and memory, as the server stores, evicts and caches them. No servicers."""
