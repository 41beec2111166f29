"""Messages to the kernel's network configuration: netlink(7)."""

from __future__ import annotations

import os
import socket
import struct

# include/uapi/linux/netlink.h
NLM_F_REQUEST, NLM_F_ACK = 0x1, 0x4
NLM_F_REPLACE, NLM_F_CREATE, NLM_F_APPEND = 0x100, 0x400, 0x800
_NLMSG_ERROR = 2
_NLA_F_NESTED = 0x8000
_NLMSGHDR = struct.Struct("=IHHII")


def message(kind: int, flags: int, body: bytes, sequence: int = 1) -> bytes:
    """One request, with its header."""
    size = _NLMSGHDR.size + len(body)
    return _NLMSGHDR.pack(size, kind, NLM_F_REQUEST | flags, sequence, 0) + body


def attribute(kind: int, value: bytes) -> bytes:
    """A `struct nlattr`, padded to four bytes, which its length does not count."""
    length = 4 + len(value)
    return struct.pack("=HH", length, kind) + value.ljust((length + 3) // 4 * 4 - 4, b"\0")


def nested(kind: int, *attributes: bytes) -> bytes:
    """An attribute that is made of others."""
    return attribute(kind | _NLA_F_NESTED, b"".join(attributes))


def ask(protocol: int, data: bytes, about: str) -> bytes:
    """Send messages of which one wants an answer, and return the body of the first answer.

    Args:
        protocol: `NETLINK_...`.
        data: the messages.
        about: what an error names.

    Raises:
        OSError: the kernel refused one of them.
    """
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, protocol) as sock:
        sock.send(data)
        _, error, body = answer_in(sock.recv(65536))
    if error:
        raise OSError(error, os.strerror(error), about)
    return body


def answer_in(data: bytes) -> tuple[int, int, bytes]:
    """What a message from the kernel answers, by its number; an errno or 0; and its body."""
    _, kind, _, sequence, _ = _NLMSGHDR.unpack_from(data)
    body = data[_NLMSGHDR.size :]
    # An acknowledgement is an error message with the number 0: netlink(7), NLMSG_ERROR.
    error = -struct.unpack_from("=i", body)[0] if kind == _NLMSG_ERROR else 0
    return sequence, error, body
