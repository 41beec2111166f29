"""Contents that go over HTTP: those that are too large for a message, and those of volumes.

Transfers are tried again as Modal's client does it, and go by the proxy that the environment names.
"""

from __future__ import annotations

import asyncio
import functools
import hashlib
import io
import os
import re
import urllib.parse
from typing import IO, TYPE_CHECKING, Any

from pytest_sandbox._shared import real
from pytest_sandbox._shared.lazy_dataclass import dataclass
from pytest_sandbox._shared.network.http_proxy import ProxyRefused, connect_through, proxy_to
from pytest_sandbox._shared.network.loopback import is_loopback
from pytest_sandbox._shared.network.trusted import trusting, why_not_trusted

from ..exceptions import ServiceError

if TYPE_CHECKING:
    import http.client
    import socket
    import ssl
    from collections.abc import Callable, Mapping

    from _typeshed import WriteableBuffer

    from pytest_sandbox._shared.clock import Clock

__tracebackhide__ = True  # a failing test shows the caller's line, not these

#: Seconds without progress after which a transfer is given up.
_TIMEOUT = 60
#: Bytes that are received at a time.
_CHUNK = 1024**2
#: Bytes of an answer, at most: those of a block are 8 MiB.
_ANSWER = 64 * 1024**2
#: Bytes a second, below which a transfer is taken for one that never ends.
_SLOWEST = 1024
#: Bytes that are read and sent at a time. Python has one time-out for all that it is given to send.
_SENT = _SLOWEST * _TIMEOUT
#: How often a content is sent, and fetched, and seconds before the second attempt.
_PUTS, _FIRST_PUT = 3, 0.3
_GETS, _FIRST_GET = 5, 0.1
#: What an address is written in.
_PRINTED = re.compile("[!-~]+")
#: What storages as S3 say of an error; the rest may have credentials in it.
_S3_ERROR = re.compile("<Code>([^<]{1,100})</Code>\\s*<Message>([^<]{1,500})</Message>")
#: Refusals of a request that may be taken a moment later.
_PASSING = (408, 429)


class Segment:
    """A part of a file, to be sent once or more.

    Args:
        file: which has it; nothing else may read it meanwhile.
        start: where it begins in the file.
        size: its bytes.

    Attributes:
        size: as given.
    """

    def __init__(self, file: IO[bytes], start: int, size: int) -> None:
        self._file = file
        self._start = start
        self.size = size
        self.rewind()

    def rewind(self) -> None:
        """Begin again."""
        self._read, self._since = 0, real.monotonic()
        self._md5 = hashlib.md5(usedforsecurity=False)

    @property
    def md5(self) -> bytes:
        """The MD5 of what was read so far."""
        return self._md5.digest()

    def read(self, size: int = _SENT) -> bytes:
        """The next bytes; empty at its end.

        Raises:
            ServiceError: the file has become shorter.
            OSError: what was read before was taken too slowly.
        """
        if self._read:
            _check_pace("took", self._read, self._since)
        else:
            self._since = real.monotonic()  # there is a connection
        self._file.seek(self._start + self._read)
        data = self._file.read(min(size, self.size - self._read))
        if not data and self._read < self.size:
            raise ServiceError("a file became shorter while it was uploaded")
        self._read += len(data)
        self._md5.update(data)
        return data


@dataclass(frozen=True)
class WebAnswer:
    """What a server answered.

    Attributes:
        status: 200 if it went well.
        content: of its answer.
        etag: of what was put; empty if the server says none.
    """

    status: int
    content: bytes
    etag: str


async def put(clock: Clock, url: str, body: Segment, **headers: str) -> WebAnswer:
    """Send a content to an address that the server has given.

    Args:
        clock: by which to wait until it is tried again.
        url: where to send it.
        body: the content.
        **headers: further ones, with `_` for `-`.

    Raises:
        ServiceError: it was not taken.
    """
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    named["Content-Length"] = str(body.size)

    def attempt() -> WebAnswer:
        body.rewind()
        return _request("PUT", url, body, named)

    return await _repeated(clock, attempt, "PUT", url, _PUTS, _FIRST_PUT)


async def post(url: str, content: bytes) -> bytes:
    """Send a request, once; what was answered.

    Raises:
        ServiceError: it was refused.
    """
    answer = await asyncio.to_thread(_answered, "POST", url, content)
    return _checked("POST", url, answer).content


async def get(clock: Clock, url: str) -> bytes:
    """Fetch a content from an address that the server has given.

    Raises:
        ServiceError: it was not given.
    """
    return (
        await _repeated(
            clock, lambda: _request("GET", url, None, {}), "GET", url, _GETS, _FIRST_GET
        )
    ).content


def _answered(method: str, url: str, content: bytes) -> WebAnswer:
    try:
        return _request(method, url, content, {})
    except OSError as error:
        raise _failed(method, url, error) from error


async def _repeated(
    clock: Clock, attempt: Callable[[], WebAnswer], method: str, url: str, most: int, delay: float
) -> WebAnswer:
    for number in range(most):
        last = number == most - 1
        try:
            answer = await asyncio.to_thread(attempt)
        except OSError as error:
            if last or _would_fail_again(error):
                raise _failed(method, url, error) from error
        else:
            if last or (answer.status < 500 and answer.status not in _PASSING):
                return _checked(method, url, answer)
        await clock.sleep(delay * 2**number)
    raise AssertionError("it was tried at least once")


def _would_fail_again(error: OSError) -> bool:
    return isinstance(error, ProxyRefused) or bool(why_not_trusted(error))


def _checked(method: str, url: str, answer: WebAnswer) -> WebAnswer:
    if answer.status not in (200, 206):
        said = answer.content[:1000].decode("utf-8", "replace")
        if (error := _S3_ERROR.search(said)) is not None:
            said = ": ".join(error.groups())
        host = urllib.parse.urlsplit(url).hostname
        raise ServiceError(f"{method} of a content: {host} answered {answer.status}, {said!r}")
    return answer


def _failed(method: str, url: str, error: OSError) -> ServiceError:
    said = why_not_trusted(error) or error
    return ServiceError(f"{method} of a content at {urllib.parse.urlsplit(url).hostname}: {said}")


def _address(method: str, url: str) -> urllib.parse.SplitResult:
    """The parts of an address that the server has given. What follows the host is a secret.

    Raises:
        ServiceError: it is none, or everybody on the way would see the content.
    """
    try:
        address = urllib.parse.urlsplit(url)
        host = str(address.hostname or "")
        host.encode("idna")  # fails for names that no resolver takes
        usable = bool(address.port != 0 and host and _PRINTED.fullmatch(url))
    except ValueError:
        usable = False
    if not usable or address.scheme not in ("https", "http"):
        raise ServiceError(f"{method} of a content: the server gave an address that is no URL")
    if address.scheme == "http" and not is_loopback(host):
        raise ServiceError(
            f"{method} of a content: the server gave an address at http://{host}, without TLS, "
            "where everybody on the way would see the content; so nothing was sent"
        )
    return address


def _request(
    method: str, url: str, body: Segment | bytes | None, headers: Mapping[str, str]
) -> WebAnswer:
    address = _address(method, url)
    # The query is what allows it.
    target = urllib.parse.urlunsplit(("", "", address.path, address.query, ""))
    connection = _connection(str(address.hostname), address.port, secure=address.scheme == "https")
    try:
        connection.request(method, target, body, dict(headers))
        with _begun(connection) as response:
            etag = response.headers.get("ETag", "").removeprefix("W/").strip('"')
            content = _received(response)
        if len(content) > _ANSWER:
            raise ServiceError(f"{method} of a content: {address.hostname} answers without end")
        return WebAnswer(response.status, content, etag)
    except _http_error() as error:
        raise OSError(f"{type(error).__name__}: {error}") from error
    finally:
        connection.close()


def _check_pace(did: str, size: int, since: float) -> None:
    """Give a transfer up that goes on, and never ends.

    Raises:
        OSError: it does.
    """
    passed = real.monotonic() - since
    if passed > _TIMEOUT and size < _SLOWEST * passed:
        raise OSError(f"it {did} {size} bytes in {passed:.0f} seconds")


class _Paced(io.RawIOBase):
    """An answer as it comes, with its head; given up if it never ends.

    Args:
        raw: gives what comes.
    """

    def __init__(self, raw: io.RawIOBase) -> None:
        self._raw = raw
        self._size = 0
        self._since = 0.0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int | None:
        """Take what comes next.

        Raises:
            OSError: what there is has come too slowly.
        """
        size: int | None = self._raw.readinto(buffer)
        if size:
            self._since = self._since or real.monotonic()
            self._size += size
            _check_pace("sent", self._size, self._since)
        return size

    def close(self) -> None:
        self._raw.close()
        super().close()


def _begun(connection: http.client.HTTPConnection) -> http.client.HTTPResponse:
    """The answer of a server, whose head has come."""
    kind = connection.response_class

    def paced(sock: socket.socket, *args: Any, **kwargs: Any) -> http.client.HTTPResponse:
        answer = kind(sock, *args, **kwargs)
        answer.fp.close()
        answer.fp = io.BufferedReader(_Paced(sock.makefile("rb", buffering=0)))
        return answer

    connection.response_class = paced  # type: ignore[assignment]
    return connection.getresponse()


def _received(response: http.client.HTTPResponse) -> bytes:
    """The content of an answer; a part of it if it is too large.

    Raises:
        OSError: it is not complete.
    """
    size = 0
    parts: list[bytes] = []
    # Counted here: reading a given number of bytes, `http.client` takes any end for the right one.
    whole = response.length
    while size <= _ANSWER and (whole is None or size < whole):
        data = response.read1(_CHUNK)
        if data:
            size += len(data)
            parts.append(data)
        elif whole is not None:
            raise OSError(f"the connection ended after {size} of {whole} bytes")
        else:
            break
    return b"".join(parts)


def _connection(host: str, port: int | None, *, secure: bool) -> http.client.HTTPConnection:
    import http.client  # takes long, and few programs need it

    connection = (
        http.client.HTTPSConnection(
            host, port, timeout=_TIMEOUT, blocksize=_SENT, context=_trusting()
        )
        if secure
        else http.client.HTTPConnection(host, port, timeout=_TIMEOUT, blocksize=_SENT)
    )
    proxy = proxy_to(host, tls=secure)
    if proxy is not None:
        through = connect_through(proxy, host, connection.port, _TIMEOUT)
        through.settimeout(_TIMEOUT)
        connection.sock = _spoken(through, host) if secure else through
    return connection


def _spoken(connection: socket.socket, host: str) -> ssl.SSLSocket:
    try:
        return _trusting().wrap_socket(connection, server_hostname=host)
    except OSError:
        connection.close()
        raise


def _trusting() -> ssl.SSLContext:
    return _trusting_file(os.environ.get("SSL_CERT_FILE"))


_trusting_file = functools.cache(trusting)


def _http_error() -> type[Exception]:
    import http.client

    return http.client.HTTPException
