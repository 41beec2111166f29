"""Rules that lead every connection of a network namespace to one port of it: nft(8).

They are written as messages, since the program `nft` takes as long as the rest of a sandbox, and
may not be installed. include/uapi/linux/netfilter/nf_tables.h has the numbers.
"""

from __future__ import annotations

import socket
import struct

from . import netlink

_NETLINK_NETFILTER = 12
#: Of `struct nfgenmsg`: families, NFPROTO_UNSPEC and NFPROTO_INET.
_ANY, _INET = 0, 1
_BATCH_BEGIN, _BATCH_END = 16, 17
_NFTABLES = 10
_NEWTABLE, _NEWCHAIN, _NEWRULE = 0, 3, 6
_LOCAL_OUT = 3  # NF_INET_LOCAL_OUT: what programs of this namespace send
#: Before connections are tracked, and where the target of one is changed: netfilter_ipv4.h.
_PRIORITY_RAW, _PRIORITY_DSTNAT = -300, -100
_DROP, _ACCEPT = 0, 1
_VERDICT_REGISTER, _REGISTER = 0, 1
_META_NFPROTO, _META_L4PROTO = 15, 16
_EQUAL, _UNEQUAL = 0, 1
_NETWORK_HEADER, _TRANSPORT_HEADER = 1, 2
_NFPROTO_IPV4, _NFPROTO_IPV6 = bytes([2]), bytes([10])
_TCP = bytes([socket.IPPROTO_TCP])
_PORT_IS_GIVEN = 2  # NF_NAT_RANGE_PROTO_SPECIFIED
_OVER = 1  # NFT_CONNLIMIT_F_INV
_NAME = b"out\0"
_RAW, _NAT = b"raw\0", b"nat\0"


def rules(port: int, most: int) -> bytes:
    """Messages that lead TCP connections to a port, except those to loopback, and refuse the rest.

    As nft(8) writes it:

        table inet out {
          chain raw {
            type filter hook output priority raw
            tcp sport PORT accept
            ip daddr 127.0.0.0/8 notrack accept
            ip6 daddr ::1 notrack accept
            meta l4proto != tcp drop
          }
          chain nat {
            type nat hook output priority dstnat
            ip daddr 127.0.0.0/8 accept
            ip6 daddr ::1 accept
            ct count over MOST drop
            redirect to :PORT
          }
        }

    Connections over loopback are not tracked, and others are bounded, because what the kernel
    remembers of them is memory that it counts for no cgroup. Answers of the listener come from its
    port; they are what translates the addresses back. A packet that a rule drops where it is sent
    fails with `EPERM`: send(2).

    Args:
        port: of the listener.
        most: connections that the kernel remembers at a time, also those that have just ended.
    """
    loopback = (
        _is_family(_NFPROTO_IPV4) + _has_address(16, bytes([127])),
        _is_family(_NFPROTO_IPV6) + _has_address(24, socket.inet_pton(socket.AF_INET6, "::1")),
    )
    port_bytes = struct.pack("!H", port)
    answers = _meta(_META_L4PROTO) + _compare(_EQUAL, _TCP) + _source_port(port_bytes)
    batch = [
        _begin_or_end(_BATCH_BEGIN),
        _command(_NEWTABLE, netlink.attribute(1, _NAME)),
        _chain(_RAW, b"filter\0", _PRIORITY_RAW),
        _rule(_RAW, answers + _verdict(_ACCEPT)),
        *(
            _rule(_RAW, target + _expression(b"notrack\0") + _verdict(_ACCEPT))
            for target in loopback
        ),
        _rule(_RAW, _meta(_META_L4PROTO) + _compare(_UNEQUAL, _TCP) + _verdict(_DROP)),
        _chain(_NAT, b"nat\0", _PRIORITY_DSTNAT),
        *(_rule(_NAT, target + _verdict(_ACCEPT)) for target in loopback),
        _rule(_NAT, _more_connections_than(most) + _verdict(_DROP)),
        _rule(_NAT, _redirect(port_bytes), netlink.NLM_F_ACK),
        _begin_or_end(_BATCH_END),
    ]
    return b"".join(batch)


def install(messages: bytes) -> None:
    """Have the rules that `rules` gave in this network namespace.

    Raises:
        OSError: the kernel refused it, or has no nf_tables with all of this.
    """
    netlink.ask(_NETLINK_NETFILTER, messages, "nf_tables")


def _begin_or_end(kind: int) -> bytes:
    return netlink.message(kind, 0, struct.pack("!BBH", _ANY, 0, _NFTABLES))


def _command(kind: int, attributes: bytes, flags: int = 0) -> bytes:
    # All are carried out together at the end of the batch, or none of them.
    body = struct.pack("!BBH", _INET, 0, 0) + attributes
    flags |= netlink.NLM_F_CREATE | netlink.NLM_F_APPEND
    return netlink.message(_NFTABLES << 8 | kind, flags, body)


def _chain(name: bytes, kind: bytes, priority: int) -> bytes:
    hook = netlink.attribute(1, _number(_LOCAL_OUT)) + netlink.attribute(2, _number(priority))
    return _command(
        _NEWCHAIN,
        netlink.attribute(1, _NAME)
        + netlink.attribute(3, name)
        + netlink.nested(4, hook)
        + netlink.attribute(7, kind),
    )


def _rule(chain: bytes, expressions: bytes, flags: int = 0) -> bytes:
    names = netlink.attribute(1, _NAME) + netlink.attribute(2, chain)
    return _command(_NEWRULE, names + netlink.nested(4, expressions), flags)


def _expression(name: bytes, *attributes: bytes) -> bytes:
    return netlink.nested(1, netlink.attribute(1, name), netlink.nested(2, *attributes))


def _meta(key: int) -> bytes:
    register = netlink.attribute(1, _number(_REGISTER))
    return _expression(b"meta\0", register, netlink.attribute(2, _number(key)))


def _compare(operator: int, value: bytes) -> bytes:
    return _expression(
        b"cmp\0",
        netlink.attribute(1, _number(_REGISTER)),
        netlink.attribute(2, _number(operator)),
        netlink.nested(3, netlink.attribute(1, value)),
    )


def _header(base: int, offset: int, value: bytes) -> bytes:
    """That a part of a header is `value`."""
    payload = _expression(
        b"payload\0",
        netlink.attribute(1, _number(_REGISTER)),
        netlink.attribute(2, _number(base)),
        netlink.attribute(3, _number(offset)),
        netlink.attribute(4, _number(len(value))),
    )
    return payload + _compare(_EQUAL, value)


def _is_family(family: bytes) -> bytes:
    return _meta(_META_NFPROTO) + _compare(_EQUAL, family)


def _has_address(offset: int, beginning: bytes) -> bytes:
    return _header(_NETWORK_HEADER, offset, beginning)


def _source_port(port: bytes) -> bytes:
    return _header(_TRANSPORT_HEADER, 0, port)


def _more_connections_than(most: int) -> bytes:
    count = netlink.attribute(1, _number(most))
    return _expression(b"connlimit\0", count, netlink.attribute(2, _number(_OVER)))


def _verdict(code: int) -> bytes:
    verdict = netlink.nested(2, netlink.attribute(1, _number(code)))
    register = netlink.attribute(1, _number(_VERDICT_REGISTER))
    return _expression(b"immediate\0", register, netlink.nested(2, verdict))


def _redirect(port: bytes) -> bytes:
    value = _expression(
        b"immediate\0",
        netlink.attribute(1, _number(_REGISTER)),
        netlink.nested(2, netlink.attribute(1, port)),
    )
    flags = netlink.attribute(3, _number(_PORT_IS_GIVEN))
    return value + _expression(b"redir\0", netlink.attribute(1, _number(_REGISTER)), flags)


def _number(value: int) -> bytes:
    return struct.pack("!i", value)
