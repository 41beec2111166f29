"""What tests script for commands and ports: matching, actions, and what handlers are given."""
