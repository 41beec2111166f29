"""Networks of sandboxes: where their connections lead, and which of them see each other."""
