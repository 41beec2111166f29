"""Commands in a sandbox, as the server runs them: start, input, end. No messages of a call."""
