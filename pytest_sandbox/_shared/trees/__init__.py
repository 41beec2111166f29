"""Directories with all that they hold."""
