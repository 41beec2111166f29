"""Messages between the engine, the zygote, the agents and their jobs.

Each is one JSON object in one packet of a Unix `SOCK_SEQPACKET` socket, with descriptors beside
it. A name that is not UTF-8 travels as surrogates. A request too large for a packet travels in a
memory file, and only the engine may send such a one: what comes from a sandbox is always one
bounded packet, since a hostile program may be at the other end.
"""

from __future__ import annotations

import json
import os
import socket

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypeAlias

Message: TypeAlias = "dict[str, Any]"

#: Bytes of the largest packet; a socket's default buffer holds several.
PACKET = 48 * 1024
#: Bytes of the largest request: the kernel's own bound on arguments and environment is 6 MiB.
REQUEST = 64 * 1024 * 1024
#: Descriptors beside one message.
DESCRIPTORS = 8

_ANCILLARY = socket.CMSG_SPACE(DESCRIPTORS * 4)
_SPILLED = b"spilled"


class BadMessage(Exception):
    """The peer does not keep to the protocol."""


def encode(message: Message) -> bytes:
    """A message as bytes; pure ASCII, so that surrogates survive."""
    return json.dumps(message, separators=(",", ":")).encode("ascii")


def decode(data: bytes) -> Message:
    """The message in `data`.

    Raises:
        BadMessage: it is not one JSON object.
    """
    try:
        message = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise BadMessage(f"not JSON: {data[:100]!r}") from error
    if not isinstance(message, dict):
        raise BadMessage(f"not an object: {data[:100]!r}")
    return message


def send(sock: socket.socket, message: Message, fds: tuple[int, ...] = ()) -> None:
    """Send one message in one packet."""
    send_packet(sock, encode(message), fds)


def send_packet(sock: socket.socket, data: bytes, fds: tuple[int, ...] = ()) -> None:
    """Send an encoded message; `ValueError` if it does not fit in a packet."""
    if len(data) > PACKET:
        raise ValueError(f"a message of {len(data)} bytes, at most {PACKET} fit")
    socket.send_fds(sock, [data], list(fds), socket.MSG_NOSIGNAL)


def send_request(sock: socket.socket, message: Message, fds: tuple[int, ...] = ()) -> None:
    """Send one message of any size up to `REQUEST`."""
    data = encode(message)
    if len(data) <= PACKET:
        send_packet(sock, data, fds)
        return
    spill = os.memfd_create("request", os.MFD_CLOEXEC)
    try:
        with os.fdopen(os.dup(spill), "wb") as file:
            file.write(data)
        send_packet(sock, _SPILLED, (spill, *fds))
    finally:
        os.close(spill)


def receive(sock: socket.socket) -> tuple[Message | None, list[int]]:
    """The next message and its descriptors; `None` at the end of the stream.

    Raises:
        BadMessage: the packet is too large, or is not a message; its descriptors are closed.
    """
    data, fds, flags = _receive_packet(sock)
    try:
        if flags & (socket.MSG_TRUNC | socket.MSG_CTRUNC):
            raise BadMessage("too large")
        return (decode(data) if data else None), fds
    except BadMessage:
        close_all(fds)
        raise


def receive_request(sock: socket.socket) -> tuple[Message | None, list[int]]:
    """Like `receive`, for what the engine sends: also takes requests larger than a packet."""
    data, fds, _ = _receive_packet(sock)
    if data != _SPILLED:
        return (decode(data) if data else None), fds
    spill = fds.pop(0)
    try:
        return decode(os.pread(spill, REQUEST, 0)), fds
    finally:
        os.close(spill)


def close_all(fds: list[int]) -> None:
    """Close descriptors that nobody wants."""
    for fd in fds:
        os.close(fd)


def _receive_packet(sock: socket.socket) -> tuple[bytes, list[int], int]:
    try:
        data, ancillary, flags, _ = sock.recvmsg(PACKET, _ANCILLARY, socket.MSG_CMSG_CLOEXEC)
    except ConnectionResetError:
        # The peer went without having read all that we sent, which the kernel tells once, and
        # before it hands out what the peer said last.
        return _receive_packet(sock)
    return data, _descriptors(ancillary), flags


def _descriptors(ancillary: list[tuple[int, int, bytes]]) -> list[int]:
    fds: list[int] = []
    for level, kind, data in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            fds += memoryview(data[: len(data) - len(data) % 4]).cast("i").tolist()
    return fds
