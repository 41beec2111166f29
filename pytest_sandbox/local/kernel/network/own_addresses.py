"""Whether an address is one of this machine's own: rtnetlink(7)."""

from __future__ import annotations

import os
import socket
import struct

from . import netlink

_RTM_GETROUTE = 26
_RTMSG = struct.Struct("=8BI")
_RTA_DST = 1
#: RTN_UNICAST: the only kind of route that leads to another machine.
_ELSEWHERE = 1
_TYPE = 7  # of the bytes of `struct rtmsg`


class RouteLookup:
    """Asks the kernel for routes, over one socket."""

    def __init__(self) -> None:
        self._sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
        self._sequence = 0

    def leads_elsewhere(self, family: int, address: bytes) -> bool:
        """Whether the kernel would send packets for an address to another machine.

        It is asked each time: addresses come and go, and a route of the type `local` makes one of
        the machine's own that no interface has.

        Args:
            family: `AF_INET` or `AF_INET6`.
            address: as in a packet.

        Raises:
            OSError: there is no route.
        """
        self._sequence += 1
        body = _RTMSG.pack(family, 8 * len(address), 0, 0, 0, 0, 0, 0, 0)
        body += netlink.attribute(_RTA_DST, address)
        self._sock.send(netlink.message(_RTM_GETROUTE, 0, body, self._sequence))
        while (answer := netlink.answer_in(self._sock.recv(65536)))[0] != self._sequence:
            pass  # to what was asked before, and not waited for
        _, error, route = answer
        if error:
            raise OSError(error, os.strerror(error), socket.inet_ntop(family, address))
        return route[_TYPE] == _ELSEWHERE
