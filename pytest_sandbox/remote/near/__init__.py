"""The side of the run: an engine whose calls are made on another machine."""
