"""Recorded calls and fault plans by themselves, without a server."""
