"""HTTP/1.1 and WebSockets to a sandbox, for who has a connect token.

A connection is for one request: so each one is checked, and no program inside can take a part of
a body for another request. A response with the status 101 switches to bytes both ways.
"""

import asyncio
import contextlib
import re
import socket
from typing import TYPE_CHECKING

from pytest_sandbox._shared.async_tasks import at_most, cancel_and_wait
from pytest_sandbox.engine import Connection, EngineError, SupportsPorts

from .connect_tokens import ConnectTokens
from .http_head import LONGEST, BadHead, HttpHead, parse_request, parse_response
from .relay import CHUNK, close_gently, relay
from .tunnel import TunnelListener, host_of

if TYPE_CHECKING:
    from ..model.sandbox import ServedSandbox
    from .visitors import Visitors

#: Seconds that a client has for the head of its request.
_PATIENCE = 30.0
#: Fields about one connection, not about the message: RFC 9110, 7.6.1.
_HOP = ("connection", "keep-alive", "proxy-connection", "upgrade", "http2-settings")
_CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(;[^\n]*)?\r\n")
_REASONS = {
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    502: "Bad Gateway",
}


class _Refused(Exception):
    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class ConnectProxy(TunnelListener):
    """Takes requests on the loopback interface, and passes on those that have a token.

    Args:
        sandbox: the sandbox, which is not idle while there are connections.
        tokens: those of the sandbox.
        listener: a socket that listens, which it owns.
        visitors: says who may connect.
    """

    def __init__(
        self,
        sandbox: "ServedSandbox",
        tokens: ConnectTokens,
        listener: socket.socket,
        visitors: "Visitors",
    ) -> None:
        super().__init__(sandbox, 0, listener, visitors)
        self._tokens = tokens

    def _refuses(self, transport: asyncio.WriteTransport) -> bool:
        # Of an address that is refused, the response tells.
        return bool(self._visitors.user_refusal(transport.get_extra_info("socket"), 0))

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with self._sandbox.lifetime.activity():
                await self._serve(reader, writer)
        except _Refused as refusal:
            with contextlib.suppress(OSError):
                await _refuse(writer, refusal)
        except (OSError, EOFError, asyncio.TimeoutError):
            pass  # one of both sides is gone, or too slow
        finally:
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await at_most(_PATIENCE, _request(reader))
        if reason := self._visitors.address_refusal(host_of(writer.transport), 0):
            raise _Refused(403, reason)
        authorized = self._tokens.authorize(head)
        if authorized is None:
            raise _Refused(401, "a connect token is needed: see Sandbox.create_connect_token")
        grant, head = authorized
        try:
            if head.words[0] == "CONNECT":
                raise BadHead("CONNECT is for proxies")
            size = head.length()
            connection = await SupportsPorts.of(self._sandbox.task).connect(grant.port)
        except BadHead as bad:
            raise _Refused(400, str(bad)) from None
        except (OSError, EngineError):
            raise _Refused(502, f"nothing listens on port {grant.port} of the sandbox") from None
        try:
            await self._exchange(head, size, reader, writer, connection)
        finally:
            await connection.close()

    async def _exchange(
        self,
        head: HttpHead,
        size: int | None,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        connection: Connection,
    ) -> None:
        # Nothing but WebSockets: by a switch to HTTP/2, further requests would come unchecked.
        upgrade = [each.lower() for each in head.values("upgrade")] == ["websocket"]
        chunked = bool(head.values("transfer-encoding"))
        if not upgrade:
            head = head.without(*_HOP).with_fields(("Connection", "close"))
        with contextlib.suppress(ConnectionError):  # the response is missing then
            await connection.write(bytes(head))
        body = asyncio.ensure_future(_send_body(reader, connection, size or 0, chunked=chunked))
        try:
            response, rest = await _response(connection, writer)
            if response.words[1] == "101" and upgrade:
                await body
                writer.write(bytes(response) + rest)
                await relay(reader, writer, connection)
                return
            bodiless = head.words[0] == "HEAD" or response.words[1] in ("204", "304")
            length = 0 if bodiless else response.length()
            response = response.without(*_HOP).with_fields(("Connection", "close"))
            writer.write(bytes(response) + rest[:length])
            await _send_response(connection, writer, None if length is None else length - len(rest))
        except BadHead:
            raise _Refused(502, "the program in the sandbox does not answer by HTTP/1.1") from None
        finally:
            await cancel_and_wait(body)
        await close_gently(writer)


async def _request(reader: asyncio.StreamReader) -> HttpHead:
    try:
        return parse_request(await reader.readuntil(b"\r\n\r\n"))
    except asyncio.LimitOverrunError:
        raise _Refused(400, "the head of the request is too long") from None
    except BadHead as bad:
        raise _Refused(400, str(bad)) from None


async def _send_body(
    reader: asyncio.StreamReader, connection: Connection, size: int, *, chunked: bool
) -> None:
    """Pass on as many bytes as the request has, and none after them."""
    # Of what goes wrong here, the response tells.
    with contextlib.suppress(OSError, EOFError, asyncio.LimitOverrunError):
        while chunked:
            line = _CHUNK_SIZE.fullmatch(await reader.readuntil(b"\r\n"))
            if line is None:
                return
            part = int(line[1], 16)
            if part:
                await connection.write(b"%x\r\n" % part)
                await _pass_on(reader, connection, part)
            if await reader.readexactly(2) != b"\r\n":
                return  # trailers, or worse: a program inside waits for the end in vain
            # The end comes as a whole: a program that answers at the 0 and closes then, with the
            # rest unread, would reset the connection, and lose what is left of its answer.
            await connection.write(b"\r\n" if part else b"0\r\n\r\n")
            chunked = part > 0
        await _pass_on(reader, connection, size)


async def _pass_on(reader: asyncio.StreamReader, connection: Connection, size: int) -> None:
    while size > 0:
        data = await reader.read(min(size, CHUNK))
        if not data:
            raise EOFError
        size -= len(data)
        await connection.write(data)


async def _response(connection: Connection, writer: asyncio.StreamWriter) -> tuple[HttpHead, bytes]:
    """The head of the final response, and what was read after it; earlier ones are passed on."""
    data = b""
    while True:
        while b"\r\n\r\n" not in data:
            try:
                more = await connection.read(CHUNK)
            except ConnectionError:
                more = b""
            if len(data) > LONGEST or not more:
                raise BadHead("no head")
            data += more
        end = data.index(b"\r\n\r\n") + 4
        head, data = parse_response(data[:end]), data[end:]
        status = head.words[1]
        if status == "101" or not status.startswith("1"):
            return head, data
        writer.write(bytes(head))
        await writer.drain()


async def _send_response(
    connection: Connection, writer: asyncio.StreamWriter, left: int | None
) -> None:
    """Pass on the body, until it is complete or the program inside has ended its side."""
    await writer.drain()
    while left is None or left > 0:
        data = await connection.read(CHUNK)
        if not data:
            return
        writer.write(data)
        await writer.drain()
        left = None if left is None else left - len(data)


async def _refuse(writer: asyncio.StreamWriter, refusal: _Refused) -> None:
    text = f"{refusal}\n".encode()
    challenge = b"WWW-Authenticate: Bearer\r\n" if refusal.status == 401 else b""
    writer.write(
        b"HTTP/1.1 %d %s\r\n" % (refusal.status, _REASONS[refusal.status].encode())
        + challenge
        + b"Content-Type: text/plain; charset=utf-8\r\nConnection: close\r\n"
        + b"Content-Length: %d\r\n\r\n%s" % (len(text), text)
    )
    await writer.drain()
    await close_gently(writer)
