"""The server: all policy, once for every engine. No mechanism: that is the engine's."""

from .application import Application as Application
from .listeners import Listeners as Listeners
from .listeners import Tcp as Tcp
from .model.sandbox import ServedSandbox as ServedSandbox
from .model.sandboxes import SandboxRegistry as SandboxRegistry
from .rpc.auth import ListenerConfig as ListenerConfig
from .rpc.grpc_server import RpcServer as RpcServer
from .rpc.recorder import Recorder as Recorder

__all__ = [
    "Application",
    "ListenerConfig",
    "Listeners",
    "Recorder",
    "RpcServer",
    "SandboxRegistry",
    "ServedSandbox",
    "Tcp",
]
