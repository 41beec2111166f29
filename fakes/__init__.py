"""Engines in memory, for tests that need no kernel."""

if __name__ != "pytest_sandbox.fakes":
    raise ImportError(f"import this package as 'pytest_sandbox.fakes', not {__name__!r}")

from ._clock import VirtualClock as VirtualClock
from ._engine import FakeEngine as FakeEngine

__all__ = ["FakeEngine", "VirtualClock"]
