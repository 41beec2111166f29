"""Connections to ports inside: begun by PID 1, used by the engine."""

from __future__ import annotations

import errno
import os
import socket

_LOOPBACK = {int(socket.AF_INET): "127.0.0.1", int(socket.AF_INET6): "::1"}


def begin_connection(family: int, port: int) -> int:
    """A TCP socket on its way to a port of the loopback interface.

    Args:
        family: of addresses, `AF_INET` or `AF_INET6`.
        port: the port.

    Nothing is waited for: a listener that lets its queue fill up answers nothing at all, and
    PID 1 has others to serve.
    """
    if family not in _LOOPBACK:
        raise OSError(errno.EAFNOSUPPORT, os.strerror(errno.EAFNOSUPPORT), "")
    # Made here, because a socket belongs for good to the network namespace of the process that made
    # it, network_namespaces(7): used from the engine, it still connects inside.
    sock = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        sock.connect((_LOOPBACK[family], port))
    except BlockingIOError:
        pass  # the usual case: it connects while the socket travels
    except OSError:
        sock.close()
        raise
    return sock.detach()
