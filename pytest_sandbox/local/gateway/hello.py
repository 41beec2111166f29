"""The name in the first message of TLS, the ClientHello: RFC 8446, section 4.1.2, and RFC 6066."""

from __future__ import annotations

#: Bytes in which it has to be complete.
LONGEST = 16 * 1024
_HANDSHAKE, _CLIENT_HELLO = 22, 1
_RECORD_HEADER = 5
_SERVER_NAME, _HOST_NAME = 0, 0
#: RFC 9849: another ClientHello, encrypted, with the name that counts.
_ENCRYPTED = 0xFE0D


class NoName(Exception):
    """It has no name that could be checked; the message says why."""


class Incomplete(Exception):
    """More of it has to come."""


def server_name(data: bytes) -> str:
    """The name that a client says it wants to talk to.

    Args:
        data: the first bytes of a connection.

    Raises:
        Incomplete: more bytes are needed.
        NoName: it is not TLS, or names nobody, or hides the name.
    """
    body = _HelloReader(_handshake(data))
    body.take(2 + 32)  # version, random
    for width in (1, 2, 1):  # session, cipher suites, compression
        body.vector(width)
    if not body.rest:
        raise NoName("the TLS client names no server (SNI)")
    extensions = _HelloReader(body.vector(2))
    name = ""
    while extensions.rest:
        kind, content = extensions.number(2), extensions.vector(2)
        if kind == _ENCRYPTED:
            raise NoName("the TLS client encrypts the name of the server (ECH)")
        if kind == _SERVER_NAME:
            name = _host_name(content)
    if not name:
        raise NoName("the TLS client names no server (SNI)")
    return name


def _handshake(data: bytes) -> bytes:
    """The body of the ClientHello, which may be in several records."""
    message, position = b"", 0
    while True:
        if data[position : position + 1] not in (b"", bytes([_HANDSHAKE])):
            raise NoName("it is not TLS")
        end = position + _RECORD_HEADER
        if len(data) >= end:
            end += int.from_bytes(data[end - 2 : end], "big")
        if message[:1] not in (b"", bytes([_CLIENT_HELLO])):
            raise NoName("it is not TLS")
        if len(data) < end or end == position + _RECORD_HEADER:
            if len(data) >= LONGEST or end == position + _RECORD_HEADER <= len(data):
                raise NoName("its first message is not one of TLS")
            raise Incomplete
        message += data[position + _RECORD_HEADER : end]
        position = end
        size = 4 + int.from_bytes(message[1:4], "big")
        if len(message) >= 4 and len(message) >= size:
            return message[4:size]


def _host_name(content: bytes) -> str:
    names = _HelloReader(_HelloReader(content).vector(2))
    while names.rest:
        kind, name = names.number(1), names.vector(2)
        if kind == _HOST_NAME:
            return name.decode("ascii", errors="replace")
    return ""


class _HelloReader:
    """Takes bytes from the front.

    Raises:
        NoName: there are too few.
    """

    def __init__(self, data: bytes) -> None:
        self.rest = data

    def take(self, size: int) -> bytes:
        if len(self.rest) < size:
            raise NoName("its first message is not one of TLS")
        taken, self.rest = self.rest[:size], self.rest[size:]
        return taken

    def number(self, width: int) -> int:
        return int.from_bytes(self.take(width), "big")

    def vector(self, width: int) -> bytes:
        return self.take(self.number(width))
