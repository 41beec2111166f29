"""An engine on another machine: the contract of engines over gRPC.

`near/` has `RemoteEngine`, the engine that the server of a run holds. `far/` serves the calls of
one run with an engine of its own. `wire/` makes messages of what the contract has, and back.
`link/` connects the two, and outlives the connections that carry it.

Names are imported on first use: a run needs one of both sides.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .dialed import machine_at as machine_at
    from .dialed import machine_of as machine_of
    from .dialed import remote_engine as remote_engine
    from .far.session import FarSession as FarSession
    from .loopback import loopback_engine as loopback_engine
    from .near.connection import FarConnection as FarConnection
    from .near.engine import RemoteEngine as RemoteEngine
    from .near.image_store_here import ImageStoreHere as ImageStoreHere
    from .serving import FarListening as FarListening
    from .serving import FarServer as FarServer
    from .wire.options import RUN_OPTIONS as RUN_OPTIONS

_WHERE = {
    "RUN_OPTIONS": "wire.options",
    "FarConnection": "near.connection",
    "FarListening": "serving",
    "FarServer": "serving",
    "FarSession": "far.session",
    "ImageStoreHere": "near.image_store_here",
    "RemoteEngine": "near.engine",
    "loopback_engine": "loopback",
    "machine_at": "dialed",
    "machine_of": "dialed",
    "remote_engine": "dialed",
}

__all__ = [
    "RUN_OPTIONS",
    "FarConnection",
    "FarListening",
    "FarServer",
    "FarSession",
    "ImageStoreHere",
    "RemoteEngine",
    "loopback_engine",
    "machine_at",
    "machine_of",
    "remote_engine",
]


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_WHERE[name]}"), name)
