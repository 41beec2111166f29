"""Connections to the tunnels of a sandbox that were refused."""

from pytest_sandbox._shared.lazy_dataclass import dataclass

#: The most that are listed; others are only counted.
_MOST = 80


@dataclass
class RefusedConnections:
    """Connections that were refused for the same reason.

    Attributes:
        port: the port inside; 0 for requests with a connect token.
        reason: why.
        count: how many there were.
    """

    port: int
    reason: str
    count: int = 0


class Refusals:
    """Those of one sandbox.

    Attributes:
        left_out: how many are not listed, as there were too many reasons.
    """

    def __init__(self) -> None:
        self._listed: dict[tuple[int, str], RefusedConnections] = {}
        self.left_out = 0

    def add(self, port: int, reason: str) -> bool:
        """Count a connection; whether it is the first one with this port and reason."""
        listed = self._listed.get((port, reason))
        first = listed is None
        if listed is None:
            if len(self._listed) >= _MOST:
                self.left_out += 1
                return False
            listed = self._listed[port, reason] = RefusedConnections(port, reason)
        listed.count += 1
        return first

    def all(self) -> list[RefusedConnections]:
        """Those that are listed, the oldest first."""
        return list(self._listed.values())
