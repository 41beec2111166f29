"""The figures of `pytest-sandbox bench`."""

from ._figures import FIGURES as FIGURES
from ._report import render as render
from ._session import Bench as Bench

__all__ = ["FIGURES", "Bench", "render"]
