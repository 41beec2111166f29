"""Connections that have shown no token: each address can have a number of them."""

from asyncio import Transport
from collections import OrderedDict
from collections.abc import Callable

#: Connections of one address without a token.
MOST = 100


class Strangers:
    """The connections of one listener that have shown no token yet.

    When an address has too many, its oldest one is closed, and not the newest: a client shows its
    token with its first call, so a connection that was open for longer is none of a client's.
    """

    def __init__(self) -> None:
        self._by_host: dict[str, OrderedDict[Transport, None]] = {}

    def add(self, transport: Transport) -> Callable[[], None]:
        """Count a connection, until what this returns is called."""
        host = str((transport.get_extra_info("peername") or ("",))[0])
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
