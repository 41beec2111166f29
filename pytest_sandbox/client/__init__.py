"""The client of a sandbox server, with the names of Modal's client. No policy, no pytest.

What is public is imported when it is first asked for: `import pytest_sandbox` costs next to
nothing until a sandbox is used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from . import client_maker

if TYPE_CHECKING:
    from . import exceptions as exceptions
    from .apps.app import App as App
    from .client import Client as Client
    from .connect_credentials import SandboxConnectCredentials as SandboxConnectCredentials
    from .exceptions import Error as Error
    from .file_entry import FileEntry as FileEntry
    from .file_entry import FileEntryType as FileEntryType
    from .files.byte_ranges import delete_bytes as delete_bytes
    from .files.byte_ranges import replace_bytes as replace_bytes
    from .files.file_info import FileInfo as FileInfo
    from .files.file_info import FileType as FileType
    from .files.fileio import FileIO as FileIO
    from .files.filesystem import SandboxFilesystem as SandboxFilesystem
    from .files.watch_events import FileWatchEvent as FileWatchEvent
    from .files.watch_events import FileWatchEventType as FileWatchEventType
    from .image import Image as Image
    from .images.enable_output import enable_output as enable_output
    from .logs.log_entry import LogEntry as LogEntry
    from .logs.log_reader import LogReader as LogReader
    from .memory_snapshot import SandboxSnapshot as SandboxSnapshot
    from .probe import Probe as Probe
    from .process.communicate import CompletedCommand as CompletedCommand
    from .process.container_process import ContainerProcess as ContainerProcess
    from .process.stream_reader import StreamReader as StreamReader
    from .process.stream_type import DEVNULL as DEVNULL
    from .process.stream_type import PIPE as PIPE
    from .process.stream_type import STDOUT as STDOUT
    from .process.stream_type import StreamType as StreamType
    from .process.stream_writer import StreamWriter as StreamWriter
    from .proxy import Proxy as Proxy
    from .sandbox.sandbox import Sandbox as Sandbox
    from .sandbox.sandbox_network import SandboxNetwork as SandboxNetwork
    from .sandbox.sidecar import SidecarContainer as SidecarContainer
    from .sandbox.sidecars import SidecarManager as SidecarManager
    from .sandbox_usage import SandboxUsage as SandboxUsage
    from .secrets.secret import Secret as Secret
    from .secrets.secret_info import SecretInfo as SecretInfo
    from .tunnel import Tunnel as Tunnel
    from .volume import Volume as Volume
    from .volume_info import VolumeInfo as VolumeInfo

_WHERE = {
    "DEVNULL": "process.stream_type",
    "PIPE": "process.stream_type",
    "STDOUT": "process.stream_type",
    "App": "apps.app",
    "Client": "client",
    "CompletedCommand": "process.communicate",
    "ContainerProcess": "process.container_process",
    "Error": "exceptions",
    "FileEntry": "file_entry",
    "FileEntryType": "file_entry",
    "FileIO": "files.fileio",
    "FileInfo": "files.file_info",
    "FileType": "files.file_info",
    "FileWatchEvent": "files.watch_events",
    "FileWatchEventType": "files.watch_events",
    "Image": "image",
    "LogEntry": "logs.log_entry",
    "LogReader": "logs.log_reader",
    "Probe": "probe",
    "Proxy": "proxy",
    "Sandbox": "sandbox.sandbox",
    "SandboxConnectCredentials": "connect_credentials",
    "SandboxFilesystem": "files.filesystem",
    "SandboxNetwork": "sandbox.sandbox_network",
    "SandboxSnapshot": "memory_snapshot",
    "SandboxUsage": "sandbox_usage",
    "Secret": "secrets.secret",
    "SecretInfo": "secrets.secret_info",
    "SidecarContainer": "sandbox.sidecar",
    "SidecarManager": "sandbox.sidecars",
    "StreamReader": "process.stream_reader",
    "StreamType": "process.stream_type",
    "StreamWriter": "process.stream_writer",
    "Tunnel": "tunnel",
    "Volume": "volume",
    "VolumeInfo": "volume_info",
    "delete_bytes": "files.byte_ranges",
    "enable_output": "images.enable_output",
    "replace_bytes": "files.byte_ranges",
}

__all__ = [
    "DEVNULL",
    "PIPE",
    "STDOUT",
    "App",
    "Client",
    "CompletedCommand",
    "ContainerProcess",
    "Error",
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
    "Probe",
    "Proxy",
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
]


def _make_client(socket_path: str, app_name: str, engine: str) -> Client:
    """The one place that knows both the default client and `Client`, which is imported late."""
    from .client import Client

    return Client(socket_path, app_name=app_name, engine=engine)


client_maker.make_client = _make_client


def __getattr__(name: str) -> Any:
    if name == "exceptions":
        return importlib.import_module(f"{__name__}.exceptions")
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_WHERE[name]}"), name)
