"""Connections to Modal's servers, and what shows them who makes a call."""
