"""Heads of messages of HTTP/1.1 (RFC 9112), read so strictly that no program can differ."""

import re

from pytest_sandbox._shared.lazy_dataclass import dataclass

#: Bytes that a head may have.
LONGEST = 64 * 1024
_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_REQUEST = re.compile(r"[!-~]+ [!-~\x80-\xff]+ HTTP/1\.[01]")
_RESPONSE = re.compile(r"HTTP/1\.[01] [1-5][0-9][0-9]( .*)?")
_LENGTH = re.compile(r"[0-9]{1,18}")


class BadHead(Exception):
    """A head that is not as it should be; the message says why."""


@dataclass(frozen=True)
class HttpHead:
    """The head of a request or a response.

    Attributes:
        first: its first line.
        fields: name and value of each header field, in their order.
    """

    first: str
    fields: tuple[tuple[str, str], ...]

    @property
    def words(self) -> list[str]:
        """The first line in words: method and target, or version and status."""
        return self.first.split(" ")

    def values(self, name: str) -> list[str]:
        """The values of the fields of one name, in lower case."""
        return [value for field, value in self.fields if field.lower() == name]

    def without(self, *names: str) -> "HttpHead":
        """Without the fields of these names, in lower case and with hyphens.

        Those with underscores go too: for WSGI and CGI both are the same (RFC 3875, 4.1.18).
        """
        kept = ((n, v) for n, v in self.fields if n.lower().replace("_", "-") not in names)
        return HttpHead(self.first, tuple(kept))

    def with_fields(self, *fields: tuple[str, str]) -> "HttpHead":
        """With further fields."""
        return HttpHead(self.first, (*self.fields, *fields))

    def length(self) -> int | None:
        """Bytes of the body; `None` if it is in chunks, or ends with the connection.

        Raises:
            BadHead: programs could disagree about where it ends.
        """
        lengths, codings = self.values("content-length"), self.values("transfer-encoding")
        if codings and (lengths or [each.lower() for each in codings] != ["chunked"]):
            raise BadHead("Transfer-Encoding may only be chunked, and without Content-Length")
        if codings:
            return None
        if len(lengths) > 1 or not all(_LENGTH.fullmatch(each) for each in lengths):
            raise BadHead("Content-Length must be one number")
        return int(lengths[0]) if lengths else None

    def __bytes__(self) -> bytes:
        lines = [self.first, *(f"{name}: {value}" for name, value in self.fields), "", ""]
        return "\r\n".join(lines).encode("latin-1")


def parse_request(data: bytes) -> HttpHead:
    """The head of a request, which ends with an empty line.

    Raises:
        BadHead: it is none.
    """
    return _parse(data, _REQUEST)


def parse_response(data: bytes) -> HttpHead:
    """The head of a response, which ends with an empty line.

    Raises:
        BadHead: it is none.
    """
    return _parse(data, _RESPONSE)


def _parse(data: bytes, shape: re.Pattern[str]) -> HttpHead:
    first, *lines = data.decode("latin-1").removesuffix("\r\n\r\n").split("\r\n")
    if not shape.fullmatch(first) or _CONTROL.search(first):
        raise BadHead("not HTTP/1.1")
    return HttpHead(first, tuple(map(_field, lines)))


def _field(line: str) -> tuple[str, str]:
    name, colon, value = line.partition(":")
    if not colon or not _NAME.fullmatch(name) or _CONTROL.search(value):
        raise BadHead("a header field has an impossible name or value")
    return name, value.strip(" \t")
