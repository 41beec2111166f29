"""Engines in memory, for tests that need no kernel."""

if __name__ != "pytest_sandbox.fakes":
    raise ImportError(f"import this package as 'pytest_sandbox.fakes', not {__name__!r}")

from .._idle import IdleEventLoop as IdleEventLoop
from ._call import Call as Call
from ._clock import VirtualClock as VirtualClock
from ._clock import new_event_loop as new_event_loop
from ._clock import settle as settle
from ._connection import Peer as Peer
from ._engine import FakeEngine as FakeEngine
from ._http import Request as Request
from ._matching import ANY as ANY
from ._ports import PortScript as PortScript
from ._scripts import Script as Script
from ._task import MemoryTask as MemoryTask
from ._view import FileView as FileView

__all__ = [
    "ANY",
    "Call",
    "FakeEngine",
    "FileView",
    "IdleEventLoop",
    "MemoryTask",
    "Peer",
    "PortScript",
    "Request",
    "Script",
    "VirtualClock",
    "new_event_loop",
    "settle",
]
