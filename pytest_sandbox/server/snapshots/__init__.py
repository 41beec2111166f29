"""Snapshots of files and memory: taking them, storing them, evicting them."""
