"""Dockerfiles: their instructions, heredocs and words. Nothing is done with them here."""
