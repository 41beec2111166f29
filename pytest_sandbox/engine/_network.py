"""What programs of a task connected to, and faults of such connections."""

from typing import Literal

from pytest_sandbox._shared.lazy_dataclass import dataclass


@dataclass(frozen=True)
class ConnectionRecord:
    """Connections to one host and port that went alike.

    Attributes:
        host: the address; empty for a name that was only asked for, in vain.
        name: of the host; empty if it is not known.
        port: the port; 53 for a name that was only asked for; 0 for connections that wait.
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


@dataclass(frozen=True)
class ConnectionFault:
    """What goes wrong with connections that programs open, or with their questions for names.

    Nothing works by it that the network of the task does not allow: it is for connections that are
    allowed, and an address that a name is said to have must be allowed by itself.

    Attributes:
        id: chosen by the caller; a fault with the same id is replaced.
        host: the host it is for: a name, as given to the name server, by a connection of TLS or as
            an alias; `*.` and a name for all names below that; an address; a network; or `*`.
        group: only for tasks in this group, `TaskSpec.groups`; empty for all.
        port: only for connections to this port; 0 for all.
        nth: the first connection, or question, that it affects, counted from 1.
        times: how many it affects; 0 for all from the first on.
        delay: seconds by which what comes from the host is late.
        effect: `"refuse"`: nothing listens there. `"reset"`: both sides see a reset once so many
            bytes came from the host; open connections to it too. `"black hole"`: nothing is ever
            answered. `"resolve"`: the name has other addresses, or none. `"no answer"`: the name
            server does not answer a question for the name. `"none"`: there is only the delay.
        after_bytes: for `"reset"`.
        addresses: for `"resolve"`; of none, the name does not exist.
    """

    id: str
    host: str
    group: str = ""
    port: int = 0
    nth: int = 1
    times: int = 0
    delay: float = 0.0
    effect: Literal["none", "refuse", "reset", "black hole", "resolve", "no answer"] = "none"
    after_bytes: int = 0
    addresses: tuple[str, ...] = ()
