"""What a sandbox connected to, for the report of a test."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection
    from typing import Literal

    Verdict = Literal["allowed", "denied", "failed"]

#: Targets that are remembered of one sandbox; they fit into one message of the gateway.
_MOST = 80
_LONGEST, _LONGEST_REASON = 253, 100


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
    """Connections to one target that went alike.

    Attributes:
        target: of the first of them.
        verdict: whether they were allowed; and if so, whether they could be made.
        reason: why they were denied, or failed.
        count: how many there were.
        sent: bytes that came from the sandbox.
        received: bytes that it got.
    """

    def __init__(self, target: Destination, verdict: Verdict, reason: str) -> None:
        self.target = target
        self.verdict: Verdict = verdict
        self.reason = reason[:_LONGEST_REASON]
        self.count = self.sent = self.received = 0

    def add(self, sent: int, received: int) -> None:
        """Count bytes."""
        self.sent += sent
        self.received += received


class ConnectionLog:
    """Entries, the oldest first, in a bounded number.

    Attributes:
        left_out: connections that are not among them.
    """

    def __init__(self) -> None:
        self._entries: dict[tuple[str, int, str, str, str], DestinationEntry] = {}
        self.left_out = 0

    @property
    def entries(self) -> Collection[DestinationEntry]:
        """What there is; one that turned out otherwise is not counted any more."""
        return [entry for entry in self._entries.values() if entry.count]

    def note(self, target: Destination, verdict: Verdict, reason: str = "") -> DestinationEntry:
        """Count a connection."""
        key = (target.host, target.port, target.name, verdict, reason)
        entry = self._entries.get(key) or DestinationEntry(target, verdict, reason)
        entry.count += 1
        if len(self._entries) < _MOST:
            self._entries[key] = entry
        elif key not in self._entries:
            self.left_out += 1
        return entry

    def note_waiting(self, waiting: int, most: int) -> None:
        """Note that connections wait, of unknown targets; the most that did so at once count.

        Args:
            waiting: how many.
            most: connections that a sandbox has at a time.
        """
        entry = self.note(
            Destination("", 0), "failed", f"{most} connections at a time; further ones wait"
        )
        entry.count = max(entry.count - 1, waiting)
