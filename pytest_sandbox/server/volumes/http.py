"""HTTP/1.1 for the contents of files, which Modal's clients move by GET and PUT.

Only what these clients need: one request after another on a connection, bodies with a length or
in chunks, no compression, no conditions.
"""

import asyncio
import contextlib
import ssl
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from dataclasses import field

from pytest_sandbox._shared.async_tasks import at_most
from pytest_sandbox._shared.lazy_dataclass import dataclass

from ..async_helpers import closing, start

#: Bytes that the head of a request may have, and that are read at a time.
_HEAD = 16 * 1024
CHUNK = 256 * 1024
#: Seconds that a client may take for its next bytes.
_PATIENCE = 60.0
#: Seconds that a TLS handshake may take.
_HANDSHAKE = 10.0
#: The most connections at a time.
_MOST = 256

_REASONS = {
    200: "OK",
    400: "Bad HttpRequest",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    500: "Internal Server Error",
    507: "Insufficient Storage",
}


class HttpError(Exception):
    """A request that is refused.

    Args:
        status: of the response.
        reason: its text.
    """

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


@dataclass(frozen=True)
class HttpRequest:
    """A request, without its body."""

    method: str
    path: str
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class HttpResponse:
    """A response to a request that went well.

    Attributes:
        size: bytes of its body.
        body: gives as many.
        etag: of what was put, as S3 has it.
    """

    size: int
    body: AsyncIterator[bytes]
    etag: str = ""


class HttpHandler(ABC):
    """Answers requests."""

    @abstractmethod
    async def handle(self, request: HttpRequest, body: AsyncIterator[bytes]) -> HttpResponse:
        """Answer one.

        Raises:
            HttpError: it is refused.
        """


class HttpServer:
    """Listens on an address, from the first time that it is asked for.

    Args:
        handler: answers the requests.
        host: the address of this machine.
        tls: to speak TLS.
    """

    def __init__(
        self, handler: HttpHandler, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None
    ) -> None:
        self._handler = handler
        self._host = host
        self._tls = tls
        self._server: asyncio.Server | None = None
        self._opening = asyncio.Lock()
        self._connections: set[asyncio.Future[object]] = set()

    async def port(self) -> int:
        """The port that it listens on."""
        async with self._opening:
            if self._server is None:
                self._server = await asyncio.start_server(
                    self._accept,
                    self._host,
                    0,
                    limit=_HEAD,
                    ssl=self._tls,
                    ssl_handshake_timeout=_HANDSHAKE if self._tls else None,
                )
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def close(self) -> None:
        """Stop listening and end all connections."""
        if self._server is not None:
            self._server.close()
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._connections) >= _MOST:
            writer.transport.abort()
            return
        connection = start(self._serve(reader, writer))
        self._connections.add(connection)
        connection.add_done_callback(self._connections.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while (request := await _head(reader)) is not None:
                await self._answer(request, reader, writer)
        except HttpError as error:
            with contextlib.suppress(OSError):
                await _refuse(writer, error)
        except (OSError, EOFError, asyncio.TimeoutError, asyncio.LimitOverrunError):
            pass  # the client is gone, too slow, or speaks something else
        finally:
            writer.close()

    async def _answer(
        self, request: HttpRequest, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        body = _body(request, reader)
        response = await self._handler.handle(request, body)
        async for _ in body:
            pass  # what the handler did not want to have, up to the next request
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\n")
        if response.etag:
            writer.write(b'ETag: "%s"\r\n' % response.etag.encode())
        writer.write(b"Content-Length: %d\r\n\r\n" % response.size)
        left = response.size
        async with closing(response.body) as chunks:
            async for data in chunks:
                left -= len(data)
                writer.write(data)
                await at_most(_PATIENCE, writer.drain())
        if left:
            raise EOFError  # the file has become shorter: the client sees a broken response


async def _refuse(writer: asyncio.StreamWriter, error: HttpError) -> None:
    text = str(error).encode("utf-8", "backslashreplace")
    writer.write(b"HTTP/1.1 %d %s\r\n" % (error.status, _REASONS[error.status].encode()))
    writer.write(b"Content-Type: text/plain; charset=utf-8\r\nConnection: close\r\n")
    writer.write(b"Content-Length: %d\r\n\r\n%s" % (len(text), text))
    await at_most(_PATIENCE, writer.drain())


async def _head(reader: asyncio.StreamReader) -> HttpRequest | None:
    """The next request; `None` if there is none any more."""
    try:
        head = await at_most(_PATIENCE, reader.readuntil(b"\r\n\r\n"))
    except asyncio.IncompleteReadError as error:
        if error.partial:
            raise
        return None
    first, *lines = head.decode("latin-1").split("\r\n")
    words = first.split(" ")
    if len(words) != 3 or not words[2].startswith("HTTP/1."):
        raise HttpError(400, "not a request of HTTP/1.1")
    pairs = (line.partition(":") for line in lines if line)
    headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
    return HttpRequest(words[0], words[1], headers)


async def _body(request: HttpRequest, reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    if "chunked" in request.headers.get("transfer-encoding", "").lower():
        while size := _number(await _line(reader), 16):
            async for data in _exactly(reader, size):
                yield data
            await _line(reader)
        while await _line(reader):
            pass  # trailers
        return
    async for data in _exactly(reader, _number(request.headers.get("content-length", "0"), 10)):
        yield data


async def _line(reader: asyncio.StreamReader) -> str:
    line = await at_most(_PATIENCE, reader.readuntil(b"\r\n"))
    return line[:-2].decode("latin-1")


def _number(text: str, base: int) -> int:
    digits = text.partition(";")[0].strip()
    if not digits.isalnum() or len(digits) > 16:
        raise HttpError(400, "not a length")
    try:
        return int(digits, base)
    except ValueError:
        raise HttpError(400, "not a length") from None


async def _exactly(reader: asyncio.StreamReader, size: int) -> AsyncIterator[bytes]:
    while size:
        data = await at_most(_PATIENCE, reader.read(min(size, CHUNK)))
        if not data:
            raise EOFError
        size -= len(data)
        yield data
