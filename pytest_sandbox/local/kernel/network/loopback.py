"""The loopback interface of a network namespace: netdevice(7), rtnetlink(7), tc(8)."""

from __future__ import annotations

import contextlib
import socket
import struct

from ..calls import NOW
from . import netlink

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..calls import PreparedCalls

_NAME = "lo"
_SIOCSIFFLAGS, _IFF_UP = 0x8914, 0x1  # netdevice(7)

# include/uapi/linux/rtnetlink.h and pkt_sched.h
_RTM_NEWROUTE = 24
_RTM_NEWQDISC, _RTM_DELQDISC = 36, 37
_TC_H_ROOT = 0xFFFFFFFF
_TCA_KIND, _TCA_OPTIONS = 1, 2
_TCMSG = "=BxHiIII"
_RTMSG = "=8BI"
_RT_TABLE_LOCAL, _RTPROT_BOOT, _RTN_LOCAL = 255, 3, 2
_RT_SCOPE_UNIVERSE, _RT_SCOPE_HOST = 0, 254
_RTA_OIF = 4


def bring_up(calls: PreparedCalls = NOW) -> None:
    """Let programs use it: in a new network namespace it is down.

    Raises:
        OSError: the kernel refused it.
    """
    kind = socket.SOCK_DGRAM | socket.SOCK_CLOEXEC
    sock = calls.add_opening("socket", socket.AF_INET, kind, 0)
    request = struct.pack("16sH14x", _NAME.encode(), _IFF_UP)
    calls.add("ioctl", sock, _SIOCSIFFLAGS, request, about=_NAME)
    calls.add("close", sock)


@contextlib.contextmanager
def silenced() -> Iterator[None]:
    """Lose all packets while inside.

    A program sees that as a network that loses packets: TCP sends them again.

    Raises:
        OSError: the kernel refused it.
    """
    # A queueing discipline that holds at most no packet at all, tc-pfifo(8), drops each.
    options = netlink.attribute(_TCA_OPTIONS, struct.pack("=I", 0))
    queue = netlink.attribute(_TCA_KIND, b"pfifo\0") + options
    # The kernel replaces what is there: an interface has one root qdisc, tc(8).
    _queue(_RTM_NEWQDISC, netlink.NLM_F_CREATE | netlink.NLM_F_REPLACE, queue)
    try:
        yield
    finally:
        _queue(_RTM_DELQDISC, 0, b"")


def take_all_addresses(family: int) -> None:
    """Make every address of a family one of this network namespace: rtnetlink(7), AnyIP.

    Args:
        family: `AF_INET` or `AF_INET6`.

    Raises:
        OSError: the kernel refused it.
    """
    scope = _RT_SCOPE_HOST if family == socket.AF_INET else _RT_SCOPE_UNIVERSE
    table = (_RT_TABLE_LOCAL, _RTPROT_BOOT, scope, _RTN_LOCAL)
    index = struct.pack("=I", socket.if_nametoindex(_NAME))
    body = struct.pack(_RTMSG, family, 0, 0, 0, *table, 0)
    route = body + netlink.attribute(_RTA_OIF, index)
    flags = netlink.NLM_F_CREATE | netlink.NLM_F_ACK
    netlink.ask(socket.NETLINK_ROUTE, netlink.message(_RTM_NEWROUTE, flags, route), _NAME)


def _queue(kind: int, flags: int, attributes: bytes) -> None:
    index = socket.if_nametoindex(_NAME)
    body = struct.pack(_TCMSG, 0, 0, index, 0, _TC_H_ROOT, 0) + attributes
    request = netlink.message(kind, netlink.NLM_F_ACK | flags, body)
    netlink.ask(socket.NETLINK_ROUTE, request, _NAME)
