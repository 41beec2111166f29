"""Checks of commands: their exit, signals, streams, terminals and limits. No files."""

from ..check import collect
from . import limits, output, processes, pty, signals, stdin

#: In the order in which they are best read.
CHECKS = collect(processes, signals, output, stdin, limits, pty)

__all__ = ["CHECKS"]
