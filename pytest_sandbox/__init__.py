"""A sandbox per test: real isolation in milliseconds, behind Modal's sandbox API.

The names are imported when they are first asked for, so that a test run in which nothing uses a
sandbox does not pay for it.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .client import DEVNULL as DEVNULL
    from .client import PIPE as PIPE
    from .client import STDOUT as STDOUT
    from .client import App as App
    from .client import Client as Client
    from .client import ContainerProcess as ContainerProcess
    from .client import Image as Image
    from .client import Sandbox as Sandbox
    from .client import Secret as Secret
    from .client import StreamReader as StreamReader
    from .client import StreamType as StreamType
    from .client import StreamWriter as StreamWriter
    from .client import exceptions as exceptions

__all__ = [
    "DEVNULL",
    "PIPE",
    "STDOUT",
    "App",
    "Client",
    "ContainerProcess",
    "Image",
    "Sandbox",
    "Secret",
    "StreamReader",
    "StreamType",
    "StreamWriter",
    "exceptions",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.client"), name)
