"""Letting nothing through on the loopback interface for a while: rtnetlink(7), tc-fifo(8).

Processes are restored one tree after another. What the first end of a connection sent, before
there is another end, would be answered with a reset.
"""

from __future__ import annotations

import contextlib
import os
import socket
import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_NEW, _DELETE = 36, 37  # RTM_NEWQDISC, RTM_DELQDISC
_REQUEST, _ACK, _REPLACE, _CREATE = 0x1, 0x4, 0x100, 0x400
_ROOT = 0xFFFFFFFF
_KIND, _OPTIONS = 1, 2
_HEADER = struct.Struct("=IHHII")


@contextlib.contextmanager
def silent() -> Iterator[None]:
    """While inside, what is sent is lost, as TCP expects of a network."""
    # A queue that has room for nothing.
    queue = _attribute(_KIND, b"pfifo\0") + _attribute(_OPTIONS, struct.pack("=I", 0))
    _ask(_NEW, _CREATE | _REPLACE, queue)
    try:
        yield
    finally:
        _ask(_DELETE, 0, b"")


def _ask(what: int, flags: int, attributes: bytes) -> None:
    index = socket.if_nametoindex("lo")
    body = struct.pack("=BxHiIII", 0, 0, index, 0, _ROOT, 0) + attributes
    size = _HEADER.size + len(body)
    header = _HEADER.pack(size, what, _REQUEST | _ACK | flags, 1, 0)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as sock:
        sock.send(header + body)
        answer = sock.recv(4096)
    (error,) = struct.unpack_from("=i", answer, _HEADER.size)
    if error:
        raise OSError(-error, os.strerror(-error), "lo")


def _attribute(kind: int, value: bytes) -> bytes:
    length = 4 + len(value)
    return struct.pack("=HH", length, kind) + value.ljust((length + 3) // 4 * 4 - 4, b"\0")
