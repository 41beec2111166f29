"""As much of HTTP/1.1 as a scripted server needs; see RFC 9112."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Protocol

from pytest_sandbox._shared.lazy_dataclass import dataclass

_MOST_HEADERS = 1000


class _Source(Protocol):
    """Where a request comes from."""

    async def readline(self) -> bytes: ...

    async def read_exactly(self, size: int) -> bytes: ...


@dataclass(frozen=True)
class Request:
    """An HTTP request.

    Attributes:
        method: `"GET"`.
        target: path and query as they came, `"/search?q=x"`.
        headers: names in lower case to values; several of one name are joined by `", "`.
        body: all of it.
    """

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def last(self) -> bool:
        """Whether the client sends no further one on this connection."""
        return self.headers.get("connection", "").lower() == "close"


async def read_request(source: _Source) -> Request | None:
    """The next request; `None` at the end.

    Raises:
        ValueError: what came is no HTTP/1 request.
    """
    first = await source.readline()
    if not first:
        return None
    words = first.decode("latin-1").split()
    if len(words) != 3 or not words[2].startswith("HTTP/1."):
        raise ValueError(f"{first!r} is not an HTTP/1 request")
    headers = await _headers(source)
    return Request(words[0], words[1], headers, await _body(source, headers))


async def _headers(source: _Source) -> dict[str, str]:
    headers: dict[str, str] = {}
    for _ in range(_MOST_HEADERS):
        text = (await source.readline()).decode("latin-1")
        if not text.strip():
            return headers
        name, colon, value = text.partition(":")
        if not colon:
            raise ValueError(f"{text!r} is not an HTTP/1 header")
        name, value = name.strip().lower(), value.strip()
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    raise ValueError(f"there are more than {_MOST_HEADERS} headers")


async def _body(source: _Source, headers: Mapping[str, str]) -> bytes:
    if headers.get("transfer-encoding", "").lower() != "chunked":
        return await source.read_exactly(_size(headers.get("content-length", "0"), 10))
    parts = []
    while size := _size((await source.readline()).partition(b";")[0].decode("latin-1"), 16):
        parts.append(await source.read_exactly(size))
        await source.readline()
    await _headers(source)  # the trailer
    return b"".join(parts)


def _size(text: str, base: int) -> int:
    size = int(text, base)
    if size < 0:
        raise ValueError(f"{text!r} is not a size")
    return size


def response(status: int, body: str | bytes, headers: Mapping[str, str]) -> bytes:
    """A whole response.

    Raises:
        ValueError: there is no such status, or a header holds the end of a line.
    """
    data = body.encode() if isinstance(body, str) else body
    kind = "text/plain; charset=utf-8" if isinstance(body, str) else "application/octet-stream"
    usual = {"Content-Type": kind, "Content-Length": str(len(data))}
    given = {name.lower() for name in headers}
    told = {name: value for name, value in usual.items() if name.lower() not in given}
    lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}"]
    for name, value in {**told, **headers}.items():
        if {"\r", "\n"} & {*name, *value}:
            raise ValueError(f"the header {name!r}: {value!r} is more than one line")
        lines.append(f"{name}: {value}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + data
