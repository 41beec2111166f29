"""The gateway: the process of an engine through which connections of its sandboxes lead out."""
