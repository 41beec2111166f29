"""The command line: `pytest-sandbox doctor`, `serve`, `bench`."""

from ._main import main as main

__all__ = ["main"]
