"""What a sandbox connected to, for the report of a test."""

from __future__ import annotations

from ..protocol.gateway import ConnectionSeen, LogAnswer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Literal

    from .relay import Relay

    Verdict = Literal["allowed", "denied", "failed"]

#: Targets that are remembered of one sandbox; they fit into one message.
_MOST = 80
_LONGEST = 253


class Destination:
    """What a program wanted to connect to.

    Attributes:
        host: the address; empty for a name that was only asked for.
        name: of the host; empty if it is not known.
        port: the port.
        checked: whether the connection is one to this name, as it says itself.
    """

    def __init__(self, host: str, port: int, name: str = "", *, checked: bool = False) -> None:
        self.checked = checked
        self.host = host
        self.port = port
        self.name = "".join(c if c.isprintable() and c.isascii() else "?" for c in name[:_LONGEST])


class DestinationEntry:
    """Connections to one target that went alike."""

    def __init__(self, target: Destination, verdict: Verdict, reason: str) -> None:
        self.target = target
        self.verdict = verdict
        self.reason = reason
        self.count = self.sent = self.received = 0

    def add(self, relay: Relay) -> None:
        """Count the bytes of a connection that has ended."""
        self.sent += relay.inner.received
        self.received += relay.outer.received


class ConnectionLog:
    """Entries, the oldest first, in a bounded number."""

    def __init__(self) -> None:
        self._entries: dict[tuple[str, int, str, str, str], DestinationEntry] = {}
        self._left_out = 0

    def note(self, target: Destination, verdict: Verdict, reason: str = "") -> DestinationEntry:
        """Count a connection."""
        key = (target.host, target.port, target.name, verdict, reason)
        entry = self._entries.get(key) or DestinationEntry(target, verdict, reason)
        entry.count += 1
        if len(self._entries) < _MOST:
            self._entries[key] = entry
        elif key not in self._entries:
            self._left_out += 1
        return entry

    def answer(self, open_now: Iterable[tuple[Relay, DestinationEntry]]) -> LogAnswer:
        """The message that tells it.

        Args:
            open_now: connections whose bytes are not counted yet.
        """
        more: dict[DestinationEntry, list[Relay]] = {}
        for relay, entry in open_now:
            more.setdefault(entry, []).append(relay)
        seen = [_seen(entry, more.get(entry, [])) for entry in self._entries.values()]
        return LogAnswer(connections=seen, left_out=self._left_out)


def _seen(entry: DestinationEntry, relays: list[Relay]) -> ConnectionSeen:
    return ConnectionSeen(
        host=entry.target.host,
        name=entry.target.name,
        port=entry.target.port,
        verdict=entry.verdict,
        reason=entry.reason[:100],
        count=entry.count,
        sent=entry.sent + sum(one.inner.received for one in relays),
        received=entry.received + sum(one.outer.received for one in relays),
    )
