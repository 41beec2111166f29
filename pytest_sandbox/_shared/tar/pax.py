"""Records of extended headers: pax(1), "pax Extended Header"."""

from __future__ import annotations

from .member import TarError
from .numbers import parse_decimal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

#: A key with its value; keys of GNU's first sparse format come more than once, in order.
Record = tuple[str, str]


def parse(payload: bytes) -> Iterator[Record]:
    """The records of an extended header, one at a time: there may be a million of them.

    Raises:
        TarError: they are malformed.
    """
    start = 0
    while start < len(payload) and payload[start]:
        digits, space, _ = payload[start : start + 21].partition(b" ")
        end = start + parse_decimal(digits.decode("latin-1"))
        body = payload[start + len(digits) + 1 : end]
        key, equals, value = body[:-1].partition(b"=")
        if not space or end > len(payload) or body[-1:] != b"\n" or not (key and equals):
            raise TarError("an extended header is malformed")
        yield _text(key), _text(value)
        start = end


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def encode(records: Iterable[Record]) -> bytes:
    """Records as the payload of an extended header."""
    return b"".join(_line(key, value) for key, value in records)


def _line(key: str, value: str) -> bytes:
    body = f" {key}={value}\n".encode("utf-8", "surrogateescape")
    # The length counts its own digits.
    length = len(body) + len(str(len(body)))
    length = len(body) + len(str(length))
    return str(length).encode() + body
