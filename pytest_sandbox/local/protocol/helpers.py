"""Between the zygote and what it forks.

A helper says one thing and ends: `HelperDone`, an answer for the engine, or `Failed`. An agent is
told that its user ids are mapped, with the mounts that are mapped for it, and gives
`SandboxHandles`.
"""

from __future__ import annotations

import socket

from .common import Failed
from .images import LayerUnpacked
from .message import Message
from .wire import descriptors_in, encode, family

#: The zygote to a new agent: more mounts will follow; these are all, continue. One that shall not
#: continue sees the end of the stream.
_MORE, _GO = b"m", b"g"
#: Mounts in one packet; SCM_MAX_FD of unix(7) is 253.
_AT_ONCE = 200
_ROOM = socket.CMSG_SPACE(_AT_ONCE * 4)
_CLOEXEC = int(socket.MSG_CMSG_CLOEXEC)


def send_go(gate: socket.socket, fds: list[int]) -> None:
    """Tell a new agent to continue, and give it mounts.

    Raises:
        OSError: it is gone.
    """
    while len(fds) > _AT_ONCE:
        socket.send_fds(gate, [_MORE], fds[:_AT_ONCE], socket.MSG_NOSIGNAL)
        fds = fds[_AT_ONCE:]
    socket.send_fds(gate, [_GO], fds, socket.MSG_NOSIGNAL)


def receive_go(gate: socket.socket) -> list[int] | None:
    """The mounts that `send_go` gave; `None` if this agent shall not continue."""
    mounts: list[int] = []
    word = _MORE
    while word == _MORE:
        word, ancillary, _, _ = gate.recvmsg(1, _ROOM, _CLOEXEC)
        mounts += descriptors_in(ancillary)
    return mounts if word == _GO else None


class SandboxHandles(Message, descriptors=3):
    """The agent's only words to the zygote, soon after its birth.

    Beside it the tmpfs that the sandbox writes to, as a mount, and the sandbox's mount namespace
    and network namespace.
    """


class HelperDone(Message, descriptors=(0, 3)):
    """The work is done; beside it the tmpfs or the sockets that it made, if it made any."""


#: As a packet, made once.
HANDLES = encode(SandboxHandles())

AGENT_TO_ZYGOTE = family(SandboxHandles)
HELPER_TO_ZYGOTE = family(HelperDone, LayerUnpacked, Failed)
