"""What programs of a task connected to."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class ConnectionRecord:
    """Connections to one host and port that went alike.

    Attributes:
        host: the address; empty for a name that was only asked for, in vain.
        name: of the host; empty if it is not known.
        port: the port; 53 for a name that was only asked for.
        verdict: whether they were allowed; and if so, whether they could be made.
        reason: why they were denied, or failed.
        count: how many there were.
        sent: bytes from the task.
        received: bytes to it.
    """

    host: str
    name: str
    port: int
    verdict: Literal["allowed", "denied", "failed"]
    reason: str = ""
    count: int = 1
    sent: int = 0
    received: int = 0


@dataclass(frozen=True)
class NetworkLog:
    """What programs of a task connected to, besides the task itself.

    Attributes:
        records: the oldest first.
        left_out: how many connections are not among them, as there were too many.
    """

    records: tuple[ConnectionRecord, ...] = ()
    left_out: int = 0
