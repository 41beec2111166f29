"""Recorded calls and fault plans, as tests see them. The server records and carries out faults.

`Rpcs` reads what the server recorded. `Faults` tells it which calls to disturb, and `NetworkFaults`
which connections of sandboxes. None knows where the server is: they ask it through a client, or
directly if it is in this process.

Names are imported on first use: every client needs `StatusDetails`, but few need the descriptors
of all RPCs, which take long to load.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ._call_fault import CallFault as CallFault
    from ._details import StatusDetails as StatusDetails
    from ._details import retry_after as retry_after
    from ._fault import FaultPlan as FaultPlan
    from ._fault import SandboxFault as SandboxFault
    from ._faults import Faults as Faults
    from ._history import Recording as Recording
    from ._host_fault import HostFault as HostFault
    from ._match import Difference as Difference
    from ._match import check as check
    from ._match import differences as differences
    from ._names import SIGNATURES as SIGNATURES
    from ._network_faults import NetworkFaults as NetworkFaults
    from ._record import Rpc as Rpc
    from ._rpcs import Rpcs as Rpcs
    from ._server_warnings import ServerWarning as ServerWarning

_WHERE = {
    "SIGNATURES": "_names",
    "CallFault": "_call_fault",
    "Difference": "_match",
    "FaultPlan": "_fault",
    "Faults": "_faults",
    "HostFault": "_host_fault",
    "NetworkFaults": "_network_faults",
    "Recording": "_history",
    "Rpc": "_record",
    "Rpcs": "_rpcs",
    "SandboxFault": "_fault",
    "ServerWarning": "_server_warnings",
    "StatusDetails": "_details",
    "check": "_match",
    "differences": "_match",
    "retry_after": "_details",
}

__all__ = [
    "SIGNATURES",
    "CallFault",
    "Difference",
    "FaultPlan",
    "Faults",
    "HostFault",
    "NetworkFaults",
    "Recording",
    "Rpc",
    "Rpcs",
    "SandboxFault",
    "ServerWarning",
    "StatusDetails",
    "check",
    "differences",
    "retry_after",
]


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_WHERE[name]}"), name)
