"""The server: all policy, once for every engine. No mechanism: that is the engine's.

The names are imported when they are first asked for: an engine process starts more before.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .application import Application as Application
    from .certificates import CertificateFiles as CertificateFiles
    from .listeners import Listeners as Listeners
    from .listeners import Tcp as Tcp
    from .model.sandbox import ServedSandbox as ServedSandbox
    from .model.sandboxes import SandboxRegistry as SandboxRegistry
    from .rpc.auth import ListenerConfig as ListenerConfig
    from .rpc.auth import RouterTokens as RouterTokens
    from .rpc.call import ServedCall as ServedCall
    from .rpc.faults import FaultInjector as FaultInjector
    from .rpc.grpc_server import RpcServer as RpcServer
    from .rpc.handshake import Handshake as Handshake
    from .rpc.idempotency import Outcomes as Outcomes
    from .rpc.middleware import Middleware as Middleware
    from .rpc.peers import refusal as refuse_peer
    from .rpc.recorder import Recorder as Recorder
    from .rpc.services import Services as Services
    from .rpc.strangers import Strangers as Strangers
    from .rpc.strangers import counted_as as counted_as
    from .run_process import say as say
    from .run_process import serve_run as serve_run

_WHERE = {
    "Application": "application",
    "FaultInjector": "rpc.faults",
    "CertificateFiles": "certificates",
    "Handshake": "rpc.handshake",
    "ListenerConfig": "rpc.auth",
    "Listeners": "listeners",
    "Middleware": "rpc.middleware",
    "Outcomes": "rpc.idempotency",
    "Recorder": "rpc.recorder",
    "RouterTokens": "rpc.auth",
    "RpcServer": "rpc.grpc_server",
    "SandboxRegistry": "model.sandboxes",
    "ServedCall": "rpc.call",
    "ServedSandbox": "model.sandbox",
    "Services": "rpc.services",
    "Strangers": "rpc.strangers",
    "Tcp": "listeners",
    "counted_as": "rpc.strangers",
    "refuse_peer": "rpc.peers",
    "say": "run_process",
    "serve_run": "run_process",
}
#: What has another name in its module.
_NAMED = {"refuse_peer": "refusal"}

__all__ = [
    "Application",
    "CertificateFiles",
    "FaultInjector",
    "Handshake",
    "ListenerConfig",
    "Listeners",
    "Middleware",
    "Outcomes",
    "Recorder",
    "RouterTokens",
    "RpcServer",
    "SandboxRegistry",
    "ServedCall",
    "ServedSandbox",
    "Services",
    "Strangers",
    "Tcp",
    "counted_as",
    "refuse_peer",
    "say",
    "serve_run",
]


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_WHERE[name]}"), _NAMED.get(name, name))
