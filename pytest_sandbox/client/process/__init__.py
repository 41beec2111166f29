"""Commands in a sandbox: starting one, its streams, its end. No file operations."""
