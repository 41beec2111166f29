"""Folders of what outlives runs."""
