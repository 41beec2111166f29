"""The class `Sandbox`, in parts, and what `Sandbox.create` makes of its arguments."""
