"""Which users of this machine connect to a listener on the loopback network.

Every user can connect there. Unlike a Unix socket, one of TCP does not tell who did, but the kernel
knows whose the socket at the other end is.
"""

import functools
import os
from pathlib import Path
from typing import TYPE_CHECKING

from .socket_owners import owner_of

if TYPE_CHECKING:
    import socket
    from asyncio.trsock import TransportSocket


def refusal(sock: "socket.socket | TransportSocket") -> str:
    """Why whoever has connected is not our user or root; empty if they are.

    A user who cannot be told is refused too. So is one who has closed the socket already: what
    they sent before that is lost.

    Args:
        sock: our end of a connection of this machine.
    """
    try:
        address, peer = sock.getsockname(), sock.getpeername()
        uid = owner_of(sock.family, peer[:2], address[:2])
        # Only now: as long as our end is connected, no other socket can have these addresses.
        sock.getpeername()
    except OSError as error:
        return f"its user cannot be told: {error.strerror}"
    if uid == 0:
        return ""
    if uid == os.geteuid() and uid in _known_ids():
        return ""
    return f"it is of user {uid}"


@functools.cache
def _known_ids() -> "_Ids":
    return _Ids(Path("/proc/self/uid_map").read_text())


class _Ids:
    """The user ids of our user namespace.

    All others are one and the same here, the overflow id; so if that is ours too, it says nothing.

    Args:
        uid_map: as user_namespaces(7) describes it.
    """

    def __init__(self, uid_map: str) -> None:
        lines = [tuple(map(int, line.split())) for line in uid_map.splitlines()]
        self._ranges = [range(first, first + count) for first, _, count in lines]

    def __contains__(self, uid: int) -> bool:
        return any(uid in ids for ids in self._ranges)
