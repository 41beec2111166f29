"""What the definition of a sandbox on the wire means for an engine, and what of it is refused."""
