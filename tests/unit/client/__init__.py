"""The client by itself, against a real engine and against stub servers."""
