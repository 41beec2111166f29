"""How the client reaches a server: loop, connections, calls, retries. Nothing of sandboxes.

The names listed here are for a server in the same process, as `inmemory/` has it.
"""

from .call_stream import CallStream as CallStream
from .channels import WINDOW as WINDOW
from .channels import WINDOWS as WINDOWS
from .dual import Dual as Dual
from .dual import dual as dual
from .portal import portal as portal
from .server import Server as Server
from .wide_channel import WideChannel as WideChannel

__all__ = [
    "WINDOW",
    "WINDOWS",
    "CallStream",
    "Dual",
    "Server",
    "WideChannel",
    "dual",
    "portal",
]
