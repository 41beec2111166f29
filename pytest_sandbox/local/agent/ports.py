"""Connections to ports inside: begun by PID 1, used by the engine."""

from __future__ import annotations

import socket

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..wire import Message

_LOOPBACK = {socket.AF_INET: "127.0.0.1", socket.AF_INET6: "::1"}


def begin_connection(request: Message) -> int:
    """A TCP socket on its way to a port of the loopback interface.

    Nothing is waited for: a listener that lets its queue fill up answers nothing at all, and
    PID 1 has others to serve.
    """
    family = socket.AddressFamily(request["family"])
    sock = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        sock.connect((_LOOPBACK[family], request["port"]))
    except BlockingIOError:
        pass  # the usual case: it goes on while the socket travels
    except OSError:
        sock.close()
        raise
    return sock.detach()
