"""The error for messages that make no sense."""


class Malformed(ValueError):
    """A message that no honest peer sends."""
