"""Packets with descriptors beside them in prepared calls: unix(7), cmsg(3), and `kernel/calls`."""

from __future__ import annotations

import ctypes
import errno
import os
import socket
import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..kernel.calls import PreparedCalls

_CLOEXEC, _NO_SIGNAL = int(socket.MSG_CMSG_CLOEXEC), int(socket.MSG_NOSIGNAL)
#: The flag of a packet whose descriptors did not all come, for want of room.
_LOST = int(socket.MSG_CTRUNC)


# A pointer to these keeps the memory, unlike a number.
_Bytes = ctypes.POINTER(ctypes.c_char)


class _Vector(ctypes.Structure):
    """`struct iovec` of recvmsg(2)."""

    _fields_ = [("base", _Bytes), ("length", ctypes.c_size_t)]


class _Header(ctypes.Structure):
    """`struct msghdr` of recvmsg(2)."""

    _fields_ = [
        ("name", ctypes.c_void_p),
        ("name_length", ctypes.c_uint),
        ("vector", ctypes.POINTER(_Vector)),
        ("vectors", ctypes.c_size_t),
        ("control", _Bytes),
        ("control_length", ctypes.c_size_t),
        ("flags", ctypes.c_int),
    ]


class _Packet:
    """Memory for one packet.

    Args:
        data: what is sent, or as much room for what comes.
        count: how many descriptors are beside it.

    Attributes:
        header: for the calls.
        fds: the descriptors.
    """

    def __init__(self, data: bytes, count: int) -> None:
        buffer = ctypes.create_string_buffer(data, len(data))
        vector = _Vector(ctypes.cast(buffer, _Bytes), len(data))
        self.header = _Header(vector=ctypes.pointer(vector), vectors=1)
        self.fds: Sequence[ctypes.c_int] = []
        if count:
            head, size = socket.CMSG_LEN(0), socket.CMSG_LEN(count * 4)
            control = ctypes.create_string_buffer(socket.CMSG_SPACE(count * 4))
            # `struct cmsghdr`: the length, whose high bytes some C libraries leave out; two ints.
            struct.pack_into("@Nii", control, 0, size, socket.SOL_SOCKET, socket.SCM_RIGHTS)
            self.header.control = ctypes.cast(control, _Bytes)
            self.header.control_length = size  # less than the memory, so that no other one fits
            places = range(head, head + count * 4, 4)
            self.fds = [ctypes.c_int.from_buffer(control, place) for place in places]


def prepare_receive(
    sock: int, count: int, otherwise: Callable[[], object], calls: PreparedCalls
) -> Sequence[ctypes.c_int]:
    """Have `calls` receive a packet of one byte.

    Args:
        sock: the socket.
        count: how many descriptors are beside it.
        otherwise: called instead at the end of the stream.
        calls: where the call is prepared.

    Returns:
        The descriptors, from then on.
    """
    packet = _Packet(b"\0", count)
    arguments = sock, ctypes.byref(packet.header), _CLOEXEC
    calls.add_check("recvmsg", *arguments, expected=1, otherwise=otherwise)
    if count:
        calls.do(_check_that_all_came, packet.header)
    return packet.fds


def prepare_send(
    sock: int, data: bytes, fds: Sequence[ctypes.c_long], calls: PreparedCalls
) -> None:
    """Have `calls` send a packet.

    Args:
        sock: the socket.
        data: of the packet.
        fds: descriptors beside it, as they are when the call is made.
        calls: where the call is prepared.
    """
    packet = _Packet(data, len(fds))
    if fds:
        calls.do(_copy, fds, packet.fds)
    calls.add("sendmsg", sock, ctypes.byref(packet.header), _NO_SIGNAL)


def _check_that_all_came(header: _Header) -> None:
    if header.flags & _LOST:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE), "")


def _copy(values: Sequence[ctypes.c_long], places: Sequence[ctypes.c_int]) -> None:
    for value, place in zip(values, places, strict=True):
        place.value = value.value
