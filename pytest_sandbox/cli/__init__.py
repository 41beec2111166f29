"""The command line: `pytest-sandbox doctor`, `serve` and `bench`. Other parts do the work."""

from ._main import main as main

__all__ = ["main"]
