"""Planned faults of connections of one sandbox."""

from __future__ import annotations

import time

from . import relay

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from collections.abc import Collection, Iterable

    from pytest_sandbox._shared.network.connection_log import Destination, DestinationEntry
    from pytest_sandbox._shared.network.faults import Disturbance, FaultLike, FaultTable

    from .relay import Relay


class OutletFaults:
    """The faults that are for a sandbox, and the connections that they disturb.

    Args:
        table: the faults of all sandboxes.
        groups: that this one belongs to, by which faults find it.

    Attributes:
        groups: as given.
    """

    def __init__(self, table: FaultTable, groups: list[str]) -> None:
        self._table = table
        self.groups = groups
        self._any_disturbed = False
        self._holes: list[tuple[float, socket.socket]] = []

    def of_connection(self, target: Destination) -> Disturbance | None:
        """What faults do to a new connection."""
        return self._table.on_connection(self.groups, target)

    def of_question(self, name: str) -> FaultLike | None:
        """The fault of a question for a name."""
        return self._table.on_question(self.groups, name)

    def disturb(self, one: Relay | None, disturbance: Disturbance | None) -> None:
        """Disturb a new connection, if there is one and something that does."""
        if one is not None and disturbance is not None:
            self._any_disturbed = True
            one.disturb(disturbance)

    def set(self, fault: FaultLike, relays: Iterable[tuple[Relay, DestinationEntry]]) -> None:
        """Let a fault, which was just set, affect open connections."""
        for one, entry in relays:
            if fault.effect in ("none", "reset") and fault.id not in one.disturbed_by:
                found = self._table.on_connection(self.groups, entry.target, fault.id)
                self.disturb(one, found)

    def clear(self, ids: Collection[str], relays: Iterable[Relay]) -> None:
        """Let faults, which were just cleared, disturb open connections no more."""
        for one in relays:
            if not one.disturbed_by.isdisjoint(ids):
                one.disturb(None)

    def release(self, relays: Collection[Relay], now: float) -> list[float]:
        """Pass on what was held until now; the seconds until there is more to do."""
        waits = [deadline - now for deadline, _ in self._holes[:1]]
        if not self._any_disturbed:
            return waits
        held = [one for one in list(relays) if one.held_until is not None]
        for one in held:
            one.release(now)
        return waits + [one.held_until - now for one in held if one.held_until is not None]

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
