"""What clients rely on, and mutations of the server that these checks must notice."""
