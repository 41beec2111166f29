"""Contents that go over HTTP: those that are too large for a message, and those of volumes."""

from __future__ import annotations

import asyncio
import urllib.parse
from typing import TYPE_CHECKING

from ..exceptions import ServiceError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import IO

__tracebackhide__ = True  # a failing test shows the caller's line, not these

#: Seconds without progress after which a transfer is given up.
_TIMEOUT = 60


async def put(url: str, body: IO[bytes], size: int, **headers: str) -> bytes:
    """Send a content to an address that the server has given; what it answered.

    Args:
        url: where to send it.
        body: the content, from where it is read on.
        size: bytes of it.
        **headers: further ones, with `_` for `-`.

    Raises:
        ServiceError: it was not taken.
    """
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return await asyncio.to_thread(_request, "PUT", url, body, {**named, "Content-Length": size})


async def get(url: str) -> bytes:
    """Fetch a content from an address that the server has given.

    Raises:
        ServiceError: it was not given.
    """
    return await asyncio.to_thread(_request, "GET", url, None, {})


def _request(
    method: str, url: str, body: IO[bytes] | None, headers: Mapping[str, str | int]
) -> bytes:
    import http.client  # takes long, and few programs need it

    address = urllib.parse.urlsplit(url)
    secure = address.scheme == "https"
    kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
    connection = kind(str(address.hostname), address.port, timeout=_TIMEOUT)
    # The query is what allows it.
    target = urllib.parse.urlunsplit(("", "", address.path, address.query, ""))
    try:
        connection.request(method, target, body, {k: str(v) for k, v in headers.items()})
        response = connection.getresponse()
        content = response.read()
    except OSError as error:
        raise ServiceError(f"{method} of a content at {address.hostname}: {error}") from error
    finally:
        connection.close()
    if response.status not in (http.client.OK, http.client.PARTIAL_CONTENT):
        said = content[:1000].decode("utf-8", "replace")
        raise ServiceError(f"{method} of a content: {address.hostname} answered {said!r}")
    return content
