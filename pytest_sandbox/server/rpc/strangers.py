"""Connections that have shown no token: each address can have a number of them.

On this machine, our user has as many for itself, so other users cannot push out a new client of
ours, however fast they connect.
"""

import ipaddress
from asyncio import BaseTransport, Transport
from collections import OrderedDict
from collections.abc import Callable

from . import tcp_peers

#: Connections of one address without a token.
MOST = 100
_OURS, _OTHERS = "loopback, our user", "loopback, other users"


class Strangers:
    """The connections of one listener that have shown no token yet.

    When an address has too many, its oldest one is closed, and not the newest: a client shows its
    token with its first call, so a connection that was open for longer is none of a client's.
    """

    def __init__(self) -> None:
        self._by_host: dict[str, OrderedDict[Transport, None]] = {}

    def add(self, transport: Transport) -> Callable[[], None]:
        """Count a connection, until what this returns is called."""
        host = counted_as(transport)
        if host == _OTHERS and not tcp_peers.refusal(transport.get_extra_info("socket")):
            host = _OURS
        connections = self._by_host.setdefault(host, OrderedDict())
        connections[transport] = None
        if len(connections) > MOST:
            oldest, _ = connections.popitem(last=False)
            oldest.abort()

        def remove() -> None:
            connections.pop(transport, None)
            if not connections and self._by_host.get(host) is connections:
                del self._by_host[host]

        return remove


def counted_as(transport: BaseTransport) -> str:
    """What the peer of a connection shares a number with: who has one address of these has all."""
    host = str((transport.get_extra_info("peername") or ("",))[0])
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:  # none, as of a Unix socket
        return host
    if isinstance(address, ipaddress.IPv6Address):
        address = address.ipv4_mapped or address
    if address.is_loopback:
        return _OTHERS
    if isinstance(address, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((address, 64), strict=False))
    return str(address)
