"""Open files and watches that a client holds between two calls. Engines do the operations."""
