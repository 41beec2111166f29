"""Secrets, how servers find them, and where their variables come from."""
