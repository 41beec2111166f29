"""The figures of `pytest-sandbox bench`, and their report. Its options are in `cli/bench.py`."""

from .figures import FIGURES as FIGURES
from .report import render as render
from .session import Bench as Bench

__all__ = ["FIGURES", "Bench", "render"]
