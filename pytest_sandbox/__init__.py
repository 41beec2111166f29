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
    from .client import CompletedCommand as CompletedCommand
    from .client import ContainerProcess as ContainerProcess
    from .client import Error as Error
    from .client import FileEntry as FileEntry
    from .client import FileEntryType as FileEntryType
    from .client import FileInfo as FileInfo
    from .client import FileIO as FileIO
    from .client import FileType as FileType
    from .client import FileWatchEvent as FileWatchEvent
    from .client import FileWatchEventType as FileWatchEventType
    from .client import Image as Image
    from .client import LogEntry as LogEntry
    from .client import LogReader as LogReader
    from .client import Probe as Probe
    from .client import Proxy as Proxy
    from .client import Sandbox as Sandbox
    from .client import SandboxConnectCredentials as SandboxConnectCredentials
    from .client import SandboxFilesystem as SandboxFilesystem
    from .client import SandboxNetwork as SandboxNetwork
    from .client import SandboxSnapshot as SandboxSnapshot
    from .client import SandboxUsage as SandboxUsage
    from .client import Secret as Secret
    from .client import SecretInfo as SecretInfo
    from .client import SidecarContainer as SidecarContainer
    from .client import SidecarManager as SidecarManager
    from .client import StreamReader as StreamReader
    from .client import StreamType as StreamType
    from .client import StreamWriter as StreamWriter
    from .client import Tunnel as Tunnel
    from .client import Volume as Volume
    from .client import VolumeInfo as VolumeInfo
    from .client import delete_bytes as delete_bytes
    from .client import enable_output as enable_output
    from .client import exceptions as exceptions
    from .client import replace_bytes as replace_bytes
    from .client.modal_modules import app as app
    from .client.modal_modules import container_process as container_process
    from .client.modal_modules import exception as exception
    from .client.modal_modules import file_io as file_io
    from .client.modal_modules import image as image
    from .client.modal_modules import io_streams as io_streams
    from .client.modal_modules import secret as secret
    from .client.modal_modules import stream_type as stream_type
    from .client.modal_modules import types as types
    from .client.modal_modules import volume as volume
    from .plugin import sandbox_template as sandbox_template
    from .rpcs import Faults as Faults
    from .rpcs import NetworkFaults as NetworkFaults
    from .rpcs import Rpc as Rpc
    from .rpcs import Rpcs as Rpcs

__all__ = [
    "DEVNULL",
    "PIPE",
    "STDOUT",
    "App",
    "Client",
    "CompletedCommand",
    "ContainerProcess",
    "Error",
    "Faults",
    "FileEntry",
    "FileEntryType",
    "FileIO",
    "FileInfo",
    "FileType",
    "FileWatchEvent",
    "FileWatchEventType",
    "Image",
    "LogEntry",
    "LogReader",
    "NetworkFaults",
    "Probe",
    "Proxy",
    "Rpc",
    "Rpcs",
    "Sandbox",
    "SandboxConnectCredentials",
    "SandboxFilesystem",
    "SandboxNetwork",
    "SandboxSnapshot",
    "SandboxUsage",
    "Secret",
    "SecretInfo",
    "SidecarContainer",
    "SidecarManager",
    "StreamReader",
    "StreamType",
    "StreamWriter",
    "Tunnel",
    "Volume",
    "VolumeInfo",
    "delete_bytes",
    "enable_output",
    "exceptions",
    "replace_bytes",
    "sandbox_template",
]

#: Of these names, those that are not the client's.
_ELSEWHERE = {
    "Faults": "rpcs",
    "NetworkFaults": "rpcs",
    "Rpc": "rpcs",
    "Rpcs": "rpcs",
    "sandbox_template": "plugin",
}
#: Modules of Modal's client, for programs that say `import pytest_sandbox as modal`.
_MODAL_MODULES = frozenset(
    {
        *("app", "container_process", "exception", "file_io", "image", "io_streams", "secret"),
        *("stream_type", "types", "volume"),
    }
)


def __getattr__(name: str) -> Any:
    if name not in __all__ and name not in _MODAL_MODULES:
        message = f"module {__name__!r} has no attribute {name!r}"
        if name.startswith("_"):  # a part that is about to be imported, or no name of Modal's
            raise AttributeError(message)
        from ._shared.absent_names import ABSENT

        if name in ABSENT:
            message += f": modal.{name} is not implemented in pytest-sandbox; {ABSENT[name]}"
        raise AttributeError(message)
    if name in _MODAL_MODULES:
        return importlib.import_module(f"{__name__}.client.modal_modules.{name}")
    part = _ELSEWHERE.get(name, "client")
    return getattr(importlib.import_module(f"{__name__}.{part}"), name)
