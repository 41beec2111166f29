"""Files of a sandbox, by both of Modal's interfaces, and whole directories."""
