"""Planned faults of connections: which connections and questions for names they disturb."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

from .domains import canonical, is_pattern, matches

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence
    from typing import Literal, Protocol

    from .connection_log import Destination, DestinationEntry
    from .reach import NetworkRange

    class FaultLike(Protocol):
        """`pytest_sandbox.engine.ConnectionFault`, or a message that has the same attributes."""

        @property
        def id(self) -> str: ...

        @property
        def group(self) -> str: ...

        @property
        def host(self) -> str: ...

        @property
        def port(self) -> int: ...

        @property
        def nth(self) -> int: ...

        @property
        def times(self) -> int: ...

        @property
        def delay(self) -> float: ...

        @property
        def effect(self) -> Effect: ...

        @property
        def after_bytes(self) -> int: ...

        @property
        def addresses(self) -> Sequence[str]: ...

    class Disturbable(Protocol):
        """An open connection."""

        @property
        def disturbance(self) -> Disturbance | None:
            """What faults do to it."""

        @property
        def ended(self) -> bool:
            """Whether the program has ended its side: most likely it is gone."""

        def disturb(self, disturbance: Disturbance | None) -> None:
            """Do what faults say from now on; of `None`, nothing."""

    Effect = Literal["none", "refuse", "reset", "black hole", "resolve", "no answer"]

#: Effects on questions for names, not on connections.
OF_NAMES = ("resolve", "no answer")
_TOLD = {
    "refuse": "refused",
    "reset": "reset",
    "black hole": "not answered",
    "resolve": "there is no such name",
    "no answer": "the name server did not answer",
}


class Disturbance:
    """What planned faults do to one connection.

    Attributes:
        ids: of the faults.
        delay: seconds by which what comes from the other side is late.
        limit: bytes from the other side after which it is reset; `None` for no bound.
        effect: `"refuse"`, `"black hole"`, or `"none"`.
    """

    def __init__(self) -> None:
        self.ids: set[str] = set()
        self.delay = 0.0
        self.limit: int | None = None
        self.effect: Effect = "none"
        self._decided = False

    def add(self, fault: FaultLike) -> bool:
        """Do what a fault says too; False if an earlier one has decided already."""
        if fault.effect != "none" and self._decided:
            return False
        self.ids.add(fault.id)
        self.delay += fault.delay
        if fault.effect == "reset":
            self.limit = fault.after_bytes
        elif fault.effect != "none":
            self.effect = fault.effect
        self._decided = self._decided or fault.effect != "none"
        return True


class _ArmedFault:
    """A fault that is set, and how often it was met and fired."""

    def __init__(self, fault: FaultLike) -> None:
        self.fault = fault
        self.seen = self.fired = 0

    def is_for(self, groups: Collection[str], host: str, name: str, port: int) -> bool:
        fault = self.fault
        if fault.group and fault.group not in groups:
            return False
        if fault.port not in (0, port):
            return False
        return host_matches(fault.host, host, name)

    @property
    def is_due(self) -> bool:
        """Whether what was just seen is to be disturbed."""
        fault = self.fault
        return self.seen >= fault.nth and (not fault.times or self.fired < fault.times)

    @property
    def is_for_all(self) -> bool:
        """Whether it disturbs every connection that it is for."""
        return self.fault.nth <= 1 and not self.fault.times


class FaultTable:
    """The faults that are set.

    Delays of several faults add up; of their other effects, that of the oldest one counts.
    """

    def __init__(self) -> None:
        self._armed: dict[str, _ArmedFault] = {}

    def set(self, fault: FaultLike) -> None:
        """Set a fault, or change the one with its id, whose counts go on."""
        armed = _ArmedFault(fault)
        if fault.id in self._armed:
            armed.seen, armed.fired = self._armed[fault.id].seen, self._armed[fault.id].fired
        self._armed[fault.id] = armed

    def clear(self, ids: Iterable[str]) -> None:
        """Clear faults; what they have done stays so."""
        for each in ids:
            self._armed.pop(each, None)

    @property
    def any_set(self) -> bool:
        """Whether there is a fault."""
        return bool(self._armed)

    def counts(self, ids: Iterable[str]) -> dict[str, tuple[int, int]]:
        """How often each was met, and how often it fired."""
        known = [self._armed[each] for each in ids if each in self._armed]
        return {each.fault.id: (each.seen, each.fired) for each in known}

    def on_connection(
        self,
        groups: Collection[str],
        target: Destination,
        only: str = "",
        *,
        ended: bool = False,
    ) -> Disturbance | None:
        """What faults do to a connection; it counts as seen by each that is for it.

        Args:
            groups: of the task that connects.
            target: where to.
            only: the id of the one fault that is asked; empty for all.
            ended: whether the program has ended its side. Such a connection is not counted, and
                only faults of every connection disturb it.
        """
        if not self._armed:
            return None
        disturbance = Disturbance()
        for armed in self._armed.values():
            if armed.fault.effect in OF_NAMES or only not in ("", armed.fault.id):
                continue
            if not armed.is_for(groups, target.host, target.name, target.port):
                continue
            if ended:
                if armed.is_for_all:
                    disturbance.add(armed.fault)
            else:
                armed.seen += 1
                if armed.is_due and disturbance.add(armed.fault):
                    armed.fired += 1
        return disturbance if disturbance.ids else None

    def combined(self, ids: Collection[str]) -> Disturbance | None:
        """What these faults do together, as far as they are set; this counts nothing."""
        disturbance = Disturbance()
        for armed in self._armed.values():
            if armed.fault.id in ids:
                disturbance.add(armed.fault)
        return disturbance if disturbance.ids else None

    def on_question(self, groups: Collection[str], name: str) -> FaultLike | None:
        """The fault that decides about a question for a name; it counts as seen by each."""
        decides = None
        for armed in self._armed.values():
            if armed.fault.effect in OF_NAMES and armed.is_for(groups, "", name, 0):
                armed.seen += 1
                if decides is None and armed.is_due:
                    armed.fired += 1
                    decides = armed.fault
        return decides


class FaultsOfTask:
    """The faults that are for one task.

    Args:
        table: the faults of all tasks.
        groups: that this one belongs to, by which faults find it.

    Attributes:
        groups: as given.
    """

    def __init__(self, table: FaultTable, groups: Collection[str]) -> None:
        self._table = table
        self.groups = groups

    @property
    def any_set(self) -> bool:
        """Whether there is a fault, be it for another task."""
        return self._table.any_set

    def of_connection(self, target: Destination) -> Disturbance | None:
        """What faults do to a new connection."""
        return self._table.on_connection(self.groups, target)

    def of_question(self, name: str) -> FaultLike | None:
        """The fault of a question for a name."""
        return self._table.on_question(self.groups, name)

    def set(self, fault: FaultLike, relays: Iterable[tuple[Disturbable, DestinationEntry]]) -> None:
        """Let a fault, which was just set or changed, affect open connections."""
        if fault.effect not in ("none", "reset"):
            return
        for relay, entry in relays:
            ids = _ids(relay)
            if fault.id in ids or self._table.on_connection(
                self.groups, entry.target, fault.id, ended=relay.ended
            ):
                relay.disturb(self._table.combined({*ids, fault.id}))

    def clear(self, ids: Collection[str], relays: Iterable[Disturbable]) -> None:
        """Let faults, which were just cleared, disturb open connections no more."""
        for relay in relays:
            if not _ids(relay).isdisjoint(ids):
                relay.disturb(self._table.combined(_ids(relay).difference(ids)))


def _ids(relay: Disturbable) -> set[str]:
    return set() if relay.disturbance is None else relay.disturbance.ids


def told(effect: str) -> str:
    """What an effect is, for the log of connections."""
    return f"{_TOLD[effect]}, by a planned fault"


def host_matches(pattern: str, host: str, name: str) -> bool:
    """Whether a pattern is for a host.

    Args:
        pattern: see `is_host`.
        host: the address; empty if it is not known.
        name: of the host; empty if it is not known.
    """
    network = _network(pattern)
    if network is not None:
        return bool(host) and ip_address(host) in network
    return pattern == "*" or (bool(name) and matches(canonical(name), pattern))


def is_host(host: object) -> bool:
    """Whether a fault can be for it: a name, `*.` and a name, an address, a network, or `*`."""
    return is_pattern(host) or _network(host) is not None


def is_address(text: object) -> bool:
    """Whether it is an address of IPv4 or IPv6, without a zone."""
    return isinstance(text, str) and "/" not in text and _network(text) is not None


def _network(host: object) -> NetworkRange | None:
    if not isinstance(host, str) or "%" in host:  # a number is an address too
        return None
    try:
        return ip_network(host)
    except ValueError:
        return None
