"""Between the zygote and what it forks.

A helper says one thing and ends: `HelperDone`, an answer for the engine, or `Failed`. An agent is
told that its user ids are mapped, with the mounts that are mapped for it, and gives
`SandboxHandles`, then `ENTERED`.
"""

from __future__ import annotations

import socket

from .common import Failed
from .images import LayerUnpacked
from .message import Message
from .prepared_packets import prepare_receive
from .wire import encode, family

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ctypes
    from collections.abc import Callable

    from ..kernel.calls import PreparedCalls

#: The zygote to a new agent: continue; as often as it takes to send all mounts, whose number is
#: known. One that shall not continue sees the end of the stream.
_GO = b"g"
#: Mounts in one packet; SCM_MAX_FD of unix(7) is 253.
_AT_ONCE = 200


def send_go(gate: socket.socket, fds: list[int]) -> None:
    """Tell a new agent to continue, and give it mounts.

    Raises:
        OSError: it is gone.
    """
    while len(fds) > _AT_ONCE:
        socket.send_fds(gate, [_GO], fds[:_AT_ONCE], socket.MSG_NOSIGNAL)
        fds = fds[_AT_ONCE:]
    socket.send_fds(gate, [_GO], fds, socket.MSG_NOSIGNAL)


def prepare_go(
    gate: int, count: int, otherwise: Callable[[], object], calls: PreparedCalls
) -> list[ctypes.c_int]:
    """Have `calls` wait for `send_go`.

    Args:
        gate: the socket to the zygote.
        count: how many mounts there will be.
        otherwise: called instead if this agent shall not continue.
        calls: where the calls are prepared.

    Returns:
        The mounts, from then on.
    """
    mounts: list[ctypes.c_int] = []
    while count > _AT_ONCE:
        mounts += prepare_receive(gate, _AT_ONCE, otherwise, calls)
        count -= _AT_ONCE
    return [*mounts, *prepare_receive(gate, count, otherwise, calls)]


class SandboxHandles(Message, descriptors=3):
    """The agent's first words to the zygote, soon after its birth.

    Beside it the tmpfs that the sandbox writes to, as a mount, and the sandbox's mount namespace
    and network namespace.
    """


class HelperDone(Message, descriptors=(0, 3)):
    """The work is done; beside it the tmpfs or the sockets that it made, if it made any."""


#: As a packet, made once.
HANDLES = encode(SandboxHandles())
#: Its last words: its mount namespace shows the sandbox, and not the stage any more.
ENTERED = b"e"

AGENT_TO_ZYGOTE = family(SandboxHandles)
HELPER_TO_ZYGOTE = family(HelperDone, LayerUnpacked, Failed)
