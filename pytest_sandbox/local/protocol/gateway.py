"""Between the engine and the gateway.

The engine tells the gateway of sandboxes that have a way out, and asks what they connected to. When
the engine closes the socket, the gateway ends, and every connection with it. It says nothing that
it was not asked for, so no sandbox can make it say much.
"""

from __future__ import annotations

from .common import Succeeded
from .message import Message
from .wire import family

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal


class AdmitRequest(Message, descriptors=(1, 4)):
    """Serve a sandbox, by what is beside it.

    That is listeners, a socket for questions for names, and one to its PID 1, see `agent`.

    Not answered.

    Attributes:
        name: the engine's name for the sandbox.
        cidrs: networks that connections may lead to.
        domains: names that connections of TLS may lead to, and patterns for them.
        groups: that it belongs to, by which faults find it.
    """

    name: str
    cidrs: list[str]
    domains: list[str]
    groups: list[str]


class GroupsRequest(Message):
    """Let a sandbox, which was made ahead, belong to other groups; not answered.

    Attributes:
        name: the engine's name for the sandbox.
        groups: as in `AdmitRequest`.
    """

    name: str
    groups: list[str]


class JoinRequest(Message):
    """Let a sandbox that was admitted, and others of a network, reach each other.

    Not answered.

    Attributes:
        name: the engine's name for the sandbox.
        network: tells the network from others.
        aliases: by which others reach it.
    """

    name: str
    network: str
    aliases: list[str]


class AliasesRequest(Message):
    """Know aliases that a network has had; comes before its members, and is not answered.

    Attributes:
        network: as in `JoinRequest`.
        aliases: in their order, after those that came before.
    """

    network: str
    aliases: list[str]


class ChangeRequest(Message):
    """Allow other connections of a sandbox, and end those that no longer are.

    Answered by `Succeeded`.

    Attributes:
        name: the engine's name for the sandbox.
        cidrs: as in `AdmitRequest`.
        domains: likewise.
    """

    name: str
    cidrs: list[str]
    domains: list[str]


class LogRequest(Message):
    """Tell what a sandbox connected to so far; answered by `LogAnswer`.

    Attributes:
        name: the engine's name for the sandbox.
    """

    name: str


class EvictRequest(Message):
    """End the connections of a sandbox that has ended; answered by `LogAnswer`.

    Attributes:
        name: the engine's name for the sandbox.
    """

    name: str


class FaultRequest(Message):
    """Set a fault of connections; its fields are those of `engine.ConnectionFault`.

    Answered by `Succeeded`.
    """

    id: str
    host: str
    group: str
    port: int
    nth: int
    times: int
    delay: float
    effect: Literal["none", "refuse", "reset", "black hole", "resolve", "no answer"]
    after_bytes: int
    addresses: list[str]


class FaultCountsRequest(Message):
    """Tell how often faults were met, and fired; answered by `FaultCountsAnswer`.

    Attributes:
        ids: of the faults.
    """

    ids: list[str]


class ClearFaultsRequest(Message):
    """Clear faults; answered by `Succeeded`.

    Attributes:
        ids: of the faults.
    """

    ids: list[str]


ENGINE_TO_GATEWAY = family(
    *(AdmitRequest, GroupsRequest, AliasesRequest, JoinRequest, ChangeRequest),
    *(LogRequest, EvictRequest),
    *(FaultRequest, FaultCountsRequest, ClearFaultsRequest),
)


class ConnectionSeen(Message):
    """Part of `LogAnswer`: connections to one host and port that went alike.

    Attributes:
        host: the address; empty for a name that was only asked for.
        name: of the host, if it is known.
        port: the port; 53 for a name that was only asked for; 0 for connections that wait.
        verdict: what became of them.
        reason: why they were denied, or failed.
        count: how many there were.
        sent: bytes that came from the sandbox.
        received: bytes that it got.
    """

    host: str
    name: str
    port: int
    verdict: Literal["allowed", "denied", "failed"]
    reason: str
    count: int
    sent: int
    received: int


class LogAnswer(Message):
    """What a sandbox connected to.

    Attributes:
        connections: the oldest first.
        left_out: connections that are not among them, as there are too many.
    """

    connections: list[ConnectionSeen]
    left_out: int


class FaultCountsAnswer(Message):
    """How often faults were met, and fired.

    Attributes:
        seen: by id, how many connections or questions each was for.
        fired: by id, how many of these it affected.
    """

    seen: dict[str, int]
    fired: dict[str, int]


GATEWAY_TO_ENGINE = family(Succeeded, LogAnswer, FaultCountsAnswer)
