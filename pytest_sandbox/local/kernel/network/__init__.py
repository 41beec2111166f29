"""Network namespaces, from inside."""
