"""Planned faults of connections of one sandbox."""

from __future__ import annotations

import time

from pytest_sandbox._shared.network.faults import FaultsOfTask

from . import relay

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from collections.abc import Collection

    from pytest_sandbox._shared.network.faults import FaultTable

    from .relay import Relay

#: Connections that are passed on before other sandboxes have their turn.
_TURN = 16


class OutletFaults(FaultsOfTask):
    """The faults that are for a sandbox, and the connections that they disturb."""

    def __init__(self, table: FaultTable, groups: list[str]) -> None:
        super().__init__(table, groups)
        self._holes: list[tuple[float, socket.socket]] = []

    def release(self, relays: Collection[Relay], now: float) -> list[float]:
        """Pass on what was held until now; the seconds until there is more to do."""
        waits = [deadline - now for deadline, _ in self._holes[:1]]
        if not self.any_set:
            return waits
        held = [one for one in list(relays) if one.held_until is not None]
        due = [one for one in held if one.held_until is not None and one.held_until <= now]
        for one in due[:_TURN]:
            one.release(now)
        left = [one.held_until for one in held if one.held_until is not None]
        return waits + [max(0.0, deadline - now) for deadline in left]

    # Black holes

    @property
    def lost(self) -> int:
        """How many connections are in a black hole."""
        return len(self._holes)

    def lose(self, inner: socket.socket, timeout: float) -> None:
        """Answer a connection, which is owned now, with nothing but a reset after that time."""
        self._holes.append((time.monotonic() + timeout, inner))

    def give_up(self, now: float) -> bool:
        """Reset connections whose time is up; whether there were any."""
        over = [inner for deadline, inner in self._holes if deadline <= now]
        del self._holes[: len(over)]
        for inner in over:
            relay.reset(inner)
        return bool(over)

    def close(self) -> None:
        """End connections that are in a black hole."""
        for _, inner in self._holes:
            inner.close()
