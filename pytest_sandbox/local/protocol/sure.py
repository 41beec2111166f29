"""Sending what has to arrive, for the zygote and for agents, which block."""

from __future__ import annotations

import errno
import time

from . import wire
from .common import Failed

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket

    from .message import Message

#: Seconds until the kernel is asked again.
_PAUSE = 0.0003


def send(
    sock: socket.socket, message: Message, fds: tuple[int, ...] = (), *, number: int = 0
) -> None:
    """Send a message as soon as the kernel takes it.

    One whose descriptors it does not take becomes `Failed`.

    Raises:
        ConnectionError: the peer is gone.
    """
    while (error := _refusal(sock, message, fds, number)) is not None:
        # Programs of the sandbox, or of our user, may have used up what the kernel has for them:
        # memory, or ETOOMANYREFS for descriptors that are sent and not received, unix(7).
        if fds:
            message, fds = Failed.of(_explained(error)), ()
        time.sleep(_PAUSE)


def _refusal(
    sock: socket.socket, message: Message, fds: tuple[int, ...], number: int
) -> OSError | None:
    try:
        wire.send(sock, message, fds, number=number)
    except ConnectionError:
        raise
    except OSError as error:
        return error
    return None


def _explained(error: OSError) -> OSError:
    if error.errno != errno.ETOOMANYREFS:
        return error
    text = "programs of the sandbox have sent too many descriptors that were not received yet"
    return OSError(error.errno, text, "")
