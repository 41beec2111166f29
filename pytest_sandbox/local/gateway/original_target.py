"""Where a connection was to lead that a rule of the kernel led to a listener: ip(7)."""

from __future__ import annotations

import socket
import struct

from pytest_sandbox._shared.network.reach import plain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pytest_sandbox._shared.network.reach import Address

_SO_ORIGINAL_DST = 80  # include/uapi/linux/netfilter_ipv4.h, and ip6_tables.h


def original_target(sock: socket.socket) -> tuple[Address, int]:
    """Where a program connected to, whose connection was led to a listener: ip(7).

    Raises:
        OSError: it connected to the listener itself.
    """
    if sock.family == socket.AF_INET:
        data = sock.getsockopt(socket.IPPROTO_IP, _SO_ORIGINAL_DST, 16)
        port, packed = struct.unpack_from("!2xH4s", data)
    else:
        data = sock.getsockopt(socket.IPPROTO_IPV6, _SO_ORIGINAL_DST, 28)
        port, packed = struct.unpack_from("!2xH4x16s", data)
    return plain(socket.inet_ntop(sock.family, packed)), port
