"""Commands in a sandbox, the server's side: starting one, its input, its end."""
