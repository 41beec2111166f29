"""The way out of a sandbox: every connection to elsewhere arrives at listeners for the engine.

Each address is one of the sandbox's own, and rules of the kernel lead what is sent there to a
listener that the gateway, a process of the engine, accepts from. The rules are no boundary: without
them, a program would reach nothing but the sandbox itself. Names are asked for at a socket that the
gateway has too. For sandboxes that see each other, the gateway asks PID 1 for connections the other
way, by a socket of its own.
"""

from __future__ import annotations

import contextlib
import socket

from ..kernel.network import loopback, redirect
from ..protocol import agent as messages
from ..protocol import sure, wire
from ..protocol.common import DescriptorAnswer, Failed
from ..protocol.message import BadMessage
from . import ports

#: Of the listeners, on each loopback address: neither one of those that the kernel gives out, nor
#: one that servers commonly have.
PORT = 61999
_DOMAIN = 53
#: Connections that the kernel tracks of a sandbox, which outlive their end by up to two minutes.
_TRACKED = 8192
#: Connections that wait until the gateway accepts them; the kernel's own bound may be lower.
_BACKLOG = 512
# Made once in the zygote: all sandboxes have the same.
_RULES = redirect.rules(PORT, _TRACKED)


class PortRequests:
    """Requests of the gateway for connections to ports inside.

    Args:
        sock: our end.

    Attributes:
        sock: the same, to be watched.
    """

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock

    def serve(self) -> bool:
        """Answer one request; False at the end of the conversation."""
        try:
            request, number, fds = wire.receive_request(self.sock, messages.GATEWAY_TO_AGENT)
        except (BadMessage, OSError):
            return False
        wire.close_all(fds)
        if not isinstance(request, messages.ConnectRequest):
            return False
        try:
            # The gateway waits for few answers at a time, which always fit into the socket.
            try:
                fd = ports.begin_connection(request.family, request.port)
            except OSError as error:
                sure.send(self.sock, Failed.of(error), number=number)
                return True
            try:
                sure.send(self.sock, DescriptorAnswer(), (fd,), number=number)
            finally:
                wire.close_all([fd])
        except ConnectionError:
            return False
        return True


def prepare() -> tuple[list[socket.socket], PortRequests]:
    """Have a way out; what the engine serves it by, and what is served here.

    The first is what `take_connections` gives, and the other end of the second.

    Raises:
        OSError: the kernel refused it.
    """
    sockets = take_connections()
    try:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    except OSError:
        for sock in sockets:
            sock.close()
        raise
    return [*sockets, theirs], PortRequests(ours)


def take_connections() -> list[socket.socket]:
    """Have every connection to elsewhere arrive at listeners, from now on.

    Returns:
        A listener for IPv4, one for IPv6 where there is that, and a socket for questions for names.

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
        sockets[-1].bind((messages.NAME_SERVER, _DOMAIN))
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
