"""The server: all policy, once for every engine. No mechanism: that is the engine's.

The names are imported when they are first asked for: an engine process starts more before.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .application import Application as Application
    from .listeners import Listeners as Listeners
    from .listeners import Tcp as Tcp
    from .model.sandbox import ServedSandbox as ServedSandbox
    from .model.sandboxes import SandboxRegistry as SandboxRegistry
    from .rpc.auth import ListenerConfig as ListenerConfig
    from .rpc.grpc_server import RpcServer as RpcServer
    from .rpc.handshake import Handshake as Handshake
    from .rpc.recorder import Recorder as Recorder
    from .rpc.strangers import Strangers as Strangers

_WHERE = {
    "Application": "application",
    "Handshake": "rpc.handshake",
    "ListenerConfig": "rpc.auth",
    "Listeners": "listeners",
    "Recorder": "rpc.recorder",
    "RpcServer": "rpc.grpc_server",
    "SandboxRegistry": "model.sandboxes",
    "ServedSandbox": "model.sandbox",
    "Strangers": "rpc.strangers",
    "Tcp": "listeners",
}

__all__ = [
    "Application",
    "Handshake",
    "ListenerConfig",
    "Listeners",
    "Recorder",
    "RpcServer",
    "SandboxRegistry",
    "ServedSandbox",
    "Strangers",
    "Tcp",
]


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_WHERE[name]}"), name)
