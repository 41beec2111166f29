"""Kinds of GPUs, requests for some, and simulated ones."""
