"""Connections that are lost during a call."""

import socket
import struct
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from hyperframe.frame import GoAwayFrame

from .options import Loss

if TYPE_CHECKING:
    import asyncio

#: `struct linger` of socket(7): a close of the socket discards what is unsent, and sends RST.
_NO_LINGER = struct.pack("ii", 1, 0)


class Losses:
    """Says which calls lose their connection.

    Args:
        planned: them.

    Attributes:
        left: those that have not happened yet.
    """

    def __init__(self, planned: Sequence[Loss]) -> None:
        self.left = list(planned)
        self._calls: dict[str, int] = {}

    def next(self, rpc: str) -> Loss | None:
        """What happens to the next call of a name."""
        for name in (rpc, ""):
            self._calls[name] = self._calls.get(name, 0) + 1
        for loss in self.left:
            if loss.rpc in (rpc, "") and loss.nth == self._calls[loss.rpc]:
                self.left.remove(loss)
                return loss
        return None


def lose(stream: Any, loss: Loss) -> None:
    """Lose the connection of a call."""
    transport: asyncio.Transport = stream._stream._transport
    if loss.how == "goaway":
        transport.write(GoAwayFrame(0, last_stream_id=stream._stream.id).serialize())
        transport.close()
        return
    sock: socket.socket = transport.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
    transport.abort()


def is_lost(stream: Any) -> bool:
    """Whether a call has no connection any more."""
    closing: bool = stream._stream._transport.is_closing()
    return closing
