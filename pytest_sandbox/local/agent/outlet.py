"""The way out of a sandbox: every connection to elsewhere arrives at listeners for the engine.

Each address is one of the sandbox's own, and rules of the kernel lead what is sent there to a
listener that the gateway, a process of the engine, accepts from. The rules are no boundary: without
them, a program would reach nothing but the sandbox itself. Names are asked for at a socket that the
gateway has too.
"""

from __future__ import annotations

import contextlib
import socket

from ..kernel import loopback, redirect

#: Of the listeners, on each loopback address: neither one of those that the kernel gives out, nor
#: one that servers commonly have.
PORT = 61999
#: Where programs ask for names, which says /etc/resolv.conf.
NAME_SERVER = "127.0.0.53"
_DOMAIN = 53
#: Connections that the kernel tracks of a sandbox, which outlive their end by up to two minutes.
_TRACKED = 8192
#: Connections that wait until the gateway accepts them; the kernel's own bound may be lower.
_BACKLOG = 512
# Made once in the zygote: all sandboxes have the same.
_RULES = redirect.rules(PORT, _TRACKED)


def prepare() -> list[socket.socket]:
    """Have a way out, and return what the engine serves it by.

    That is a listener for IPv4, one for IPv6 where there is that, and a socket for questions for
    names.

    Raises:
        OSError: the kernel refused it.
    """
    sockets: list[socket.socket] = []
    try:
        loopback.take_all_addresses(socket.AF_INET)
        sockets.append(_listener(socket.AF_INET, "127.0.0.1"))
        with contextlib.suppress(OSError):  # a machine may have no IPv6
            loopback.take_all_addresses(socket.AF_INET6)
            sockets.append(_listener(socket.AF_INET6, "::1"))
        sockets.append(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        sockets[-1].bind((NAME_SERVER, _DOMAIN))
        redirect.install(_RULES)
    except OSError:
        for sock in sockets:
            sock.close()
        raise
    return sockets


def _listener(family: socket.AddressFamily, address: str) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.bind((address, PORT))
        sock.listen(_BACKLOG)
    except OSError:
        sock.close()
        raise
    return sock
