"""Runs as PID 1 of a sandbox, and in the jobs that it forks. A hostile sandbox may take it over."""
