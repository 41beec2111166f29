"""The client of a sandbox server, with the names of Modal's.

What is public is imported when it is first asked for: `import pytest_sandbox` costs next to
nothing until a sandbox is used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from . import exceptions as exceptions
    from ._app import App as App
    from ._client import Client as Client
    from ._communicate import CompletedCommand as CompletedCommand
    from ._fileio import FileIO as FileIO
    from ._fileio import delete_bytes as delete_bytes
    from ._fileio import replace_bytes as replace_bytes
    from ._filesystem import FileInfo as FileInfo
    from ._filesystem import FileType as FileType
    from ._filesystem import SandboxFilesystem as SandboxFilesystem
    from ._image import Image as Image
    from ._process import ContainerProcess as ContainerProcess
    from ._sandbox import Sandbox as Sandbox
    from ._sandbox_snapshot import SandboxSnapshot as SandboxSnapshot
    from ._secret import Secret as Secret
    from ._stream_type import DEVNULL as DEVNULL
    from ._stream_type import PIPE as PIPE
    from ._stream_type import STDOUT as STDOUT
    from ._stream_type import StreamType as StreamType
    from ._streams import StreamReader as StreamReader
    from ._streams import StreamWriter as StreamWriter
    from ._tunnel import Tunnel as Tunnel
    from ._volume import Volume as Volume
    from ._watching import FileWatchEvent as FileWatchEvent
    from ._watching import FileWatchEventType as FileWatchEventType

_WHERE = {
    "DEVNULL": "_stream_type",
    "PIPE": "_stream_type",
    "STDOUT": "_stream_type",
    "App": "_app",
    "Client": "_client",
    "CompletedCommand": "_communicate",
    "ContainerProcess": "_process",
    "FileIO": "_fileio",
    "FileInfo": "_filesystem",
    "FileType": "_filesystem",
    "FileWatchEvent": "_watching",
    "FileWatchEventType": "_watching",
    "Image": "_image",
    "Sandbox": "_sandbox",
    "SandboxFilesystem": "_filesystem",
    "SandboxSnapshot": "_sandbox_snapshot",
    "Secret": "_secret",
    "StreamReader": "_streams",
    "StreamType": "_stream_type",
    "StreamWriter": "_streams",
    "Tunnel": "_tunnel",
    "Volume": "_volume",
    "delete_bytes": "_fileio",
    "replace_bytes": "_fileio",
}

__all__ = [
    "DEVNULL",
    "PIPE",
    "STDOUT",
    "App",
    "Client",
    "CompletedCommand",
    "ContainerProcess",
    "FileIO",
    "FileInfo",
    "FileType",
    "FileWatchEvent",
    "FileWatchEventType",
    "Image",
    "Sandbox",
    "SandboxFilesystem",
    "SandboxSnapshot",
    "Secret",
    "StreamReader",
    "StreamType",
    "StreamWriter",
    "Tunnel",
    "Volume",
    "delete_bytes",
    "exceptions",
    "replace_bytes",
]


def __getattr__(name: str) -> Any:
    if name == "exceptions":
        return importlib.import_module(f"{__name__}.exceptions")
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_WHERE[name]}"), name)
