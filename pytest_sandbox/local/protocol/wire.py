"""How messages travel: each in one packet of a Unix `SOCK_SEQPACKET` socket, `unix(7)`.

A packet is a JSON array: the name of the message's class, the number of the request or 0, and the
fields. Descriptors travel beside it. A name that is not UTF-8 travels as surrogates. A request too
large for a packet travels in a memory file, beside a packet without fields, and only the engine may
send such a one: what comes from a sandbox is always one bounded packet, since a hostile program may
be at the other end.
"""

from __future__ import annotations

import json
import os
import socket

from .message import BadMessage, DescriptorsLost, Message

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

#: Messages that may arrive in one place, by the names of their classes.
Family: TypeAlias = "dict[str, type[Message]]"
#: A message, `None` at the end of the stream; its number; its descriptors.
Received: TypeAlias = "tuple[Message | None, int, list[int]]"
#: A packet; its descriptors; the flags of recvmsg(2).
Packet: TypeAlias = "tuple[bytes, list[int], int]"

#: Bytes of the largest packet; a socket's default buffer holds several.
PACKET = 48 * 1024
#: Bytes of the largest request: the kernel's own bound on arguments and environment is 6 MiB.
REQUEST = 64 * 1024 * 1024

#: Room for SCM_MAX_FD, the most that a packet can carry: unix(7). The kernel would close those that
#: do not fit, which takes as long as the sender wants.
_ANCILLARY = socket.CMSG_SPACE(253 * 4)
# As plain numbers: to combine what `socket` has takes longer than to receive a message.
_TRUNCATED = int(socket.MSG_TRUNC)
#: The flag of a packet whose descriptors did not all come: there is no room for them.
LOST = int(socket.MSG_CTRUNC)
_CLOEXEC, _NO_SIGNAL = int(socket.MSG_CMSG_CLOEXEC), int(socket.MSG_NOSIGNAL)
#: How a packet ends whose fields are in a memory file; others end with those.
_SPILLED = b",null]"


def _fields(message: object) -> object:
    return message.__dict__


# Made once: `json.dumps` makes a new encoder for each call that is not the default one. Pure
# ASCII, so that surrogates survive.
_to_json = json.JSONEncoder(separators=(",", ":"), default=_fields, check_circular=False).encode
# Unlike `decode`, it looks for no white space around the value, with regular expressions.
_from_json = json.JSONDecoder().raw_decode


def family(*classes: type[Message]) -> Family:
    """These messages, as what may arrive in one place."""
    return {one.__name__: one for one in classes}


def encode(message: Message, number: int = 0) -> bytes:
    """A message as bytes."""
    return _to_json([type(message).__name__, number, message]).encode("ascii")


def decode(data: bytes, expected: Family) -> tuple[Message, int]:
    """The message in `data`, and its number.

    Raises:
        BadMessage: it is not a message, or none that is expected here.
    """
    try:
        (name, number, fields), end = _from_json(data.decode("ascii"))
    except (ValueError, TypeError, RecursionError) as error:
        raise BadMessage(f"not a message: {data[:100]!r}") from error
    whole = end == len(data)
    if not whole or (type(name), type(number), type(fields)) != (str, int, dict):
        raise BadMessage(f"not a message: {data[:100]!r}")
    if name not in expected:
        raise BadMessage(f"no message {name[:60]!r} is expected here", number)
    try:
        return expected[name].checked(fields), number
    except BadMessage as error:
        error.number = number
        raise


def send(
    sock: socket.socket, message: Message, fds: tuple[int, ...] = (), *, number: int = 0
) -> None:
    """Send one message in one packet; `ValueError` if it does not fit."""
    send_packet(sock, encode(message, number), fds)


def send_request(
    sock: socket.socket, message: Message, fds: tuple[int, ...] = (), *, number: int = 0
) -> None:
    """Send one message of any size up to `REQUEST`."""
    data = encode(message, number)
    if len(data) <= PACKET:
        send_packet(sock, data, fds)
        return
    spill = os.memfd_create("request", os.MFD_CLOEXEC)
    try:
        with os.fdopen(os.dup(spill), "wb") as file:
            file.write(data)
        head = _to_json([type(message).__name__, number, None]).encode("ascii")
        send_packet(sock, head, (spill, *fds))
    finally:
        os.close(spill)


def close_all(fds: list[int]) -> None:
    """Close descriptors."""
    for fd in fds:
        os.close(fd)


def receive(
    sock: socket.socket, expected: Family, discard: Callable[[list[int]], None] = close_all
) -> Received:
    """The next message.

    Args:
        sock: where from.
        expected: messages that may come.
        discard: closes the descriptors of a message that is refused.

    Raises:
        BadMessage: it is too large, or not one that is expected; its descriptors are closed.
        DescriptorsLost: there is no room for its descriptors; those that came are closed.
    """
    return _opened(receive_packet(sock), expected, discard)


def receive_request(sock: socket.socket, expected: Family) -> Received:
    """Like `receive`, for what the engine sends: also takes requests larger than a packet."""
    return open_request(receive_packet(sock), expected)


def open_request(packet: Packet, expected: Family) -> Received:
    """What `receive_request` returns, of what `receive_packet` returned."""
    data, fds, flags = packet
    if data.endswith(_SPILLED) and fds and not flags & LOST:
        spill = fds.pop(0)
        try:
            data = os.pread(spill, REQUEST, 0)
        finally:
            os.close(spill)
    return _opened((data, fds, flags), expected, close_all)


def send_packet(sock: socket.socket, data: bytes, fds: tuple[int, ...] = ()) -> None:
    """Send what `encode` returned; `ValueError` if it does not fit."""
    if len(data) > PACKET:
        raise ValueError(f"a message of {len(data)} bytes, at most {PACKET} fit")
    if fds:
        socket.send_fds(sock, [data], list(fds), _NO_SIGNAL)
    else:
        sock.send(data, _NO_SIGNAL)  # in half the time


def receive_packet(sock: socket.socket) -> Packet:
    """The next packet, empty at the end of the stream."""
    try:
        data, ancillary, flags, _ = sock.recvmsg(PACKET, _ANCILLARY, _CLOEXEC)
    except ConnectionResetError:
        # The peer closed its end while something we had sent was unread. The kernel reports that
        # once, before it hands out what the peer said last: unix_release_sock() sets sk_err, and
        # unix_dgram_recvmsg() returns it first.
        return receive_packet(sock)
    return data, descriptors_in(ancillary), flags


def descriptors_in(ancillary: list[tuple[int, int, bytes]]) -> list[int]:
    """The descriptors beside a packet, from what `recvmsg` returned."""
    fds: list[int] = []
    for level, kind, data in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            # The kernel may have cut it short, in the middle of a number: cmsg(3), MSG_CTRUNC.
            fds += memoryview(data[: len(data) - len(data) % 4]).cast("i").tolist()
    return fds


def _opened(packet: Packet, expected: Family, discard: Callable[[list[int]], None]) -> Received:
    data, fds, flags = packet
    try:
        if flags & _TRUNCATED:
            raise BadMessage("too large")
        # We leave room for as many as a packet can carry, so these are too many for this process.
        if flags & LOST:
            raise _lost(data)
        if not data and not fds:
            return None, 0, []
        message, number = decode(data, expected)
        fewest, most = message.descriptors
        if not fewest <= len(fds) <= most:
            wanted = f"{fewest}" if fewest == most else f"{fewest} to {most}"
            name = type(message).__name__
            raise BadMessage(f"{name} came with {len(fds)} descriptors, not {wanted}", number)
        return message, number, fds
    except (BadMessage, DescriptorsLost):
        discard(fds)
        raise


def _lost(data: bytes) -> Exception:
    try:
        (kind, number, _), _ = _from_json(data.decode("ascii"))
    except (ValueError, TypeError, RecursionError):
        kind = number = None
    if type(kind) is str and type(number) is int:
        return DescriptorsLost(kind, number)
    return BadMessage(f"not a message: {data[:100]!r}")
