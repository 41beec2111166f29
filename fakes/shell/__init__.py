"""A shell: `sh`, and the parts of `bash` that are used most. Other programs are in `programs/`."""

from .program import shell_program as shell_program

__all__ = ["shell_program"]
