"""A shell: `sh`, and the parts of `bash` that are asked for most."""

from .program import shell_program as shell_program

__all__ = ["shell_program"]
