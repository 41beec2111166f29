"""The engine in memory: files, processes, a shell, scripts. No kernel, no client, no server."""

if __name__ != "pytest_sandbox.fakes":
    raise ImportError(f"import this package as 'pytest_sandbox.fakes', not {__name__!r}")

from pytest_sandbox._shared.idle_loop import IdleEventLoop as IdleEventLoop

from .clock import VirtualClock as VirtualClock
from .clock import new_event_loop as new_event_loop
from .clock import settle as settle
from .engine import FakeEngine as FakeEngine
from .files.view import FileView as FileView
from .processes.process import KernelInterface as KernelInterface
from .scripting.call import Call as Call
from .scripting.host_connection import HostConnection as HostConnection
from .scripting.host_script import HostScript as HostScript
from .scripting.http import Request as Request
from .scripting.matching import ANY as ANY
from .scripting.matching import Anything as Anything
from .scripting.matching import Matcher as Matcher
from .scripting.peer import Peer as Peer
from .scripting.port_script import PortScript as PortScript
from .scripting.script_file import ScriptedSandboxes as ScriptedSandboxes
from .scripting.scripts import Script as Script
from .task import MemoryTask as MemoryTask

__all__ = [
    "ANY",
    "Anything",
    "Call",
    "FakeEngine",
    "FileView",
    "HostConnection",
    "HostScript",
    "IdleEventLoop",
    "KernelInterface",
    "Matcher",
    "MemoryTask",
    "Peer",
    "PortScript",
    "Request",
    "Script",
    "ScriptedSandboxes",
    "VirtualClock",
    "new_event_loop",
    "settle",
]
