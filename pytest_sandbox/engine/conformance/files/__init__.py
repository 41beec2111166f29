"""Checks of file operations inside a task: files, directories, tars, watches."""

from ..check import collect
from . import files, open_files, trees, watch

#: In the order in which they are best read.
CHECKS = collect(files, open_files, trees, watch)

__all__ = ["CHECKS"]
