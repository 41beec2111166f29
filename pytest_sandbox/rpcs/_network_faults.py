"""The faults of connections of a test."""

from __future__ import annotations

from typing import Any

from pytest_sandbox._proto import inspector_pb2 as pb
from pytest_sandbox._shared.network.faults import is_host

from ._fault import FaultList, sandbox_id
from ._host_fault import HostFault


class NetworkFaults(FaultList[HostFault]):
    """The faults of connections that a test sets on an engine.

    Args:
        plan: where they are set: `Client.inspector`.
        caller: only in sandboxes that this caller creates; see `Rpcs`.
    """

    def on(
        self, host: str, *, port: int | None = None, sandbox: Any = None, nth: int | None = None
    ) -> HostFault:
        """A fault of connections to a host, or of its name.

        Args:
            host: a name, as programs look it up; `"*.example.com"` for all below `example.com`; an
                address; a network; or `"*"`.
            port: only connections to this port.
            sandbox: only connections of this sandbox, or the one with this id; by default of all.
            nth: the first connection that the fault affects, counted from 1.

        Raises:
            ValueError: it is no host, no port or no sandbox, or `nth` is less than 1.
        """
        if not is_host(host):
            raise ValueError(
                f"host={host!r} must be a name, '*.' and a name, an address, a network, or '*'"
            )
        if port is not None and not 0 < port < 65536:
            raise ValueError(f"port={port!r} is not a number from 1 to 65535")
        if nth is not None and nth < 1:
            raise ValueError(f"nth={nth!r}: connections are counted from 1")
        only = "" if sandbox is None else sandbox_id(sandbox)
        given = {"port": port, "sandbox": only or None, "nth": nth}
        words = [repr(host), *(f"{name}={each!r}" for name, each in given.items() if each)]
        connection = pb.ConnectionFault(sandbox_id=only, host=host, port=port or 0, nth=nth or 1)
        fault = HostFault(self._plan, self._caller, f"on({', '.join(words)})", connection)
        self._planned.append(fault)
        return fault
