"""The figures of `pytest-sandbox bench`."""

from .figures import FIGURES as FIGURES
from .report import render as render
from .session import Bench as Bench

__all__ = ["FIGURES", "Bench", "render"]
