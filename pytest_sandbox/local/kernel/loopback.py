"""The loopback interface of a network namespace: netdevice(7), rtnetlink(7), tc(8)."""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_NAME = "lo"
_SIOCSIFFLAGS, _IFF_UP = 0x8914, 0x1  # netdevice(7)

# include/uapi/linux/netlink.h, rtnetlink.h and pkt_sched.h
_RTM_NEWQDISC, _RTM_DELQDISC = 36, 37
_NLM_F_REQUEST, _NLM_F_ACK, _NLM_F_REPLACE, _NLM_F_CREATE = 0x1, 0x4, 0x100, 0x400
_TC_H_ROOT = 0xFFFFFFFF
_TCA_KIND, _TCA_OPTIONS = 1, 2
_NLMSGHDR = struct.Struct("=IHHII")
_TCMSG = "=BxHiIII"
_SEQUENCE = 1


def bring_up() -> None:
    """Let programs use it: in a new network namespace it is down.

    Raises:
        OSError: the kernel refused it.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        fcntl.ioctl(sock, _SIOCSIFFLAGS, struct.pack("16sH14x", _NAME.encode(), _IFF_UP))


@contextlib.contextmanager
def silenced() -> Iterator[None]:
    """Lose all packets while inside.

    A program sees that as a network that loses packets: TCP sends them again.

    Raises:
        OSError: the kernel refused it.
    """
    # A queueing discipline that holds at most no packet at all, tc-pfifo(8), drops each.
    queue = _attribute(_TCA_KIND, b"pfifo\0") + _attribute(_TCA_OPTIONS, struct.pack("=I", 0))
    # The kernel replaces what is there: an interface has one root qdisc, tc(8).
    _request(_RTM_NEWQDISC, _NLM_F_CREATE | _NLM_F_REPLACE, queue)
    try:
        yield
    finally:
        _request(_RTM_DELQDISC, 0, b"")


def _request(kind: int, flags: int, attributes: bytes) -> None:
    index = socket.if_nametoindex(_NAME)
    body = struct.pack(_TCMSG, 0, 0, index, 0, _TC_H_ROOT, 0) + attributes
    size = _NLMSGHDR.size + len(body)
    header = _NLMSGHDR.pack(size, kind, _NLM_F_REQUEST | _NLM_F_ACK | flags, _SEQUENCE, 0)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as sock:
        sock.send(header + body)
        answer = sock.recv(4096)
    # An acknowledgement is an error message with the number 0: netlink(7), NLMSG_ERROR.
    (error,) = struct.unpack_from("=i", answer, _NLMSGHDR.size)
    if error:
        raise OSError(-error, os.strerror(-error), _NAME)


def _attribute(kind: int, value: bytes) -> bytes:
    """A `struct rtattr`, padded to four bytes, which its length does not count."""
    length = 4 + len(value)
    return struct.pack("=HH", length, kind) + value.ljust((length + 3) // 4 * 4 - 4, b"\0")
