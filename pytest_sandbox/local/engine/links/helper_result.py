"""How work on a sandbox from inside went, which the zygote has done by somebody else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ... import wire
from ..ready import readable
from .agent_link import error_of

if TYPE_CHECKING:
    import socket

    from .agent_link import Answer


class OperationRefused(Exception):
    """It cannot be done to this sandbox; says why."""


async def outcome(sock: socket.socket) -> Answer:
    """Wait for the end.

    Args:
        sock: where its outcome is told.

    Raises:
        OperationRefused: it cannot be done.
        OSError: what the kernel said.
    """
    sock.setblocking(False)
    await readable(sock.fileno())
    try:
        message, passed = wire.receive(sock)
    except OSError:
        message, passed = None, []
    if message is None:
        raise OperationRefused("what worked on it was killed, or the sandbox ended")
    if "done" in message:
        return message["done"], passed
    if "refused" in message:
        raise OperationRefused(message["refused"])
    raise error_of(message["error"])
