"""Checks of commands: their exit, signals, streams, terminals, limits and usage. No files."""

from ..check import collect
from . import limits, output, processes, pty, signals, stdin, usage

#: In the order in which they are best read.
CHECKS = collect(processes, signals, output, stdin, limits, usage, pty)

__all__ = ["CHECKS"]
