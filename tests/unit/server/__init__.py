"""The server by itself, over a fake engine."""
