"""HTTP for registries: proxies and certificates of the environment, redirects, limits of time.

Proxies are those of `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY`, and certificates those of
`SSL_CERT_FILE`, `SSL_CERT_DIR` and `/etc/docker/certs.d/HOST`. Names and passwords are sent to the
host that they are for and to no other: a redirect to another host goes without them, as `curl` has
it, since those of blobs lead to storage of others. A body is not sent to another host at all, and
what another host asks for in an answer with status 401 is not heeded. Another port is another host
here, and so is HTTP after HTTPS.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import re
import ssl
import time
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

from pytest_sandbox._shared.lazy_dataclass import dataclass
from pytest_sandbox._shared.network.http_proxy import ProxyError, ProxyServer, parse_proxy
from pytest_sandbox._shared.network.loopback import is_loopback

from ..errors import shown

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

#: Seconds that a connection, or the next bytes on it, may take.
TIMEOUT = 30.0
_MOST_REDIRECTS = 5
_REDIRECTS = (301, 302, 303, 307, 308)
_CERTIFICATES = Path("/etc/docker/certs.d")
_LONGEST_URL = 16 * 1024
_PRINTED = re.compile("[!-~]+")
#: Bytes a second, below which an answer is taken for one that never ends.
_SLOWEST = 1024
_CHUNK = 256 * 1024
#: What a connection that the other side has closed meanwhile, or that breaks, raises.
BROKEN = (http.client.HTTPException, OSError)


def received(answer: http.client.HTTPResponse, timeout: float) -> Iterator[bytes]:
    """The bytes of an answer, as they come.

    Args:
        answer: not read yet.
        timeout: seconds, in each of which there must be progress.

    Raises:
        OSError, http.client.HTTPException: the connection broke; `TimeoutError`, it is too slow.
    """
    since, count = time.monotonic(), 0
    while data := answer.read1(_CHUNK):
        count += len(data)
        passed = time.monotonic() - since
        if passed > timeout:
            if count < _SLOWEST * passed:
                raise TimeoutError(f"it sent {count} bytes in {passed:.0f} seconds")
            since, count = time.monotonic(), 0
        yield data


def read_all(answer: http.client.HTTPResponse, limit: int, timeout: float) -> bytes:
    """The bytes of a short answer; more than the limit, by a few, if it is longer.

    Raises:
        OSError, http.client.HTTPException: as `received`.
    """
    data = b""
    for part in received(answer, timeout):
        data += part
        if len(data) > limit:
            break
    return data


class Misdirected(Exception):
    """A registry leads to an address that is not asked."""


@dataclass(frozen=True)
class Origin:
    """Where requests go."""

    scheme: str
    host: str
    port: int

    @property
    def address(self) -> str:
        """For messages."""
        return f"{self.scheme}://{self.host}:{self.port}"


class Web:
    """Connections of one thread, which stay open for the next request.

    Args:
        insecure: `host` or `host:port` of registries that may be asked over plain HTTP.
        timeout: seconds that a connection, or the next bytes on it, may take.

    Attributes:
        timeout: the same.
    """

    def __init__(self, insecure: Collection[str] = (), timeout: float = TIMEOUT) -> None:
        self._insecure = frozenset(insecure)
        self.timeout = timeout
        self._open: dict[Origin, http.client.HTTPConnection] = {}

    def may_be_plain(self, host: str, port: int | None) -> bool:
        """Whether a host may be asked over plain HTTP."""
        return is_loopback(host) or bool(self._insecure & {host, f"{host}:{port}"})

    def request(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None = None
    ) -> http.client.HTTPResponse:
        """Ask; redirects are followed. The caller reads the whole answer, or calls `drop`.

        Raises:
            Misdirected: the address, or where a redirect leads, cannot be asked, or a redirect
                leads to another host with a body, or to one that wants a login.
            OSError, http.client.HTTPException: the connection broke, or cannot be made.
        """
        sent = dict(headers)
        first = at = _origin(url)
        for _ in range(_MOST_REDIRECTS + 1):
            if at != first:
                sent.pop("Authorization", None)
            self._check(at, first, url)
            if at != first and body is not None:
                raise Misdirected(
                    f"{first.host} redirects what was sent to it, which may be a login, to "
                    f"{shown(at.address)}: it is not sent there"
                )
            answer = self._ask(at, method, url, sent, body)
            target = answer.headers.get("Location")
            if answer.status not in _REDIRECTS or target is None:
                if at != first and answer.status == 401:
                    self.drop(answer)
                    raise Misdirected(
                        f"{first.host} redirects to {shown(at.address)}, which wants a login: "
                        "none is sent there"
                    )
                return answer
            self.drop(answer)
            url = _joined(url, target)
            at = _origin(url)
            if answer.status == 303 or (body is not None and answer.status in (301, 302)):
                method, body = "GET", None
        raise Misdirected(
            f"{first.host} redirects more than {_MOST_REDIRECTS} times, at last to {shown(url)}"
        )

    def drop(self, answer: http.client.HTTPResponse) -> None:
        """End an answer of which not all was read."""
        if not answer.isclosed():
            with contextlib.suppress(*BROKEN):
                answer.read1(4096)
        if not answer.isclosed():
            self.close()
            answer.close()

    def close(self) -> None:
        """Close all connections."""
        for connection in self._open.values():
            connection.close()
        self._open.clear()

    def _check(self, at: Origin, first: Origin, url: str) -> None:
        if len(url) > _LONGEST_URL:
            raise Misdirected(f"{first.host} redirects to an address of {len(url)} bytes")
        if at.scheme == "http" and not self.may_be_plain(at.host, at.port):
            raise Misdirected(
                f"{first.host} leads to {shown(url)}, which is not encrypted: plain HTTP is for "
                "this machine and for hosts in PYTEST_SANDBOX_INSECURE_REGISTRIES"
            )

    def _ask(
        self, at: Origin, method: str, url: str, headers: Mapping[str, str], body: bytes | None
    ) -> http.client.HTTPResponse:
        parts = urlsplit(url)
        fresh = at not in self._open
        if fresh:
            self._open[at] = self._connection(at)
        target = parts.path or "/"
        target = f"{target}?{parts.query}" if parts.query else target
        via = _proxy(at) if at.scheme == "http" else None
        further = dict(headers)
        if via is not None:
            target = f"http://{parts.netloc}{target}"
            further |= _proxy_headers(via)
        try:
            self._open[at].request(method, target, body, further)
            return self._open[at].getresponse()
        except BROKEN as error:
            self._open.pop(at).close()
            stale = isinstance(error, (http.client.RemoteDisconnected, ConnectionError))
            if fresh or not stale:
                raise
            # It was closed while it was idle; a new one tells whether that is all.
            return self._ask(at, method, url, headers, body)

    def _connection(self, at: Origin) -> http.client.HTTPConnection:
        via = _proxy(at)
        host, port = (at.host, at.port) if via is None else (via.host, via.port)
        if at.scheme == "http":
            return http.client.HTTPConnection(host, port, timeout=self.timeout)
        context = _context(at)
        connection = http.client.HTTPSConnection(host, port, timeout=self.timeout, context=context)
        if via is not None:
            connection.set_tunnel(at.host, at.port, _proxy_headers(via))
        return connection


def _joined(url: str, target: str) -> str:
    try:
        return urljoin(url, target)
    except ValueError:
        return target  # of which the next check says what is wrong


def _origin(url: str) -> Origin:
    try:
        parts = urlsplit(url)
        usual = {"http": 80, "https": 443}[parts.scheme]
        if parts.hostname and not parts.username and _PRINTED.fullmatch(url):
            return Origin(parts.scheme, parts.hostname, parts.port or usual)
    except (ValueError, KeyError):
        pass
    raise Misdirected(f"{shown(url)!r}, where a registry leads, is not an address of HTTP")


def _context(at: Origin) -> ssl.SSLContext:
    context = ssl.create_default_context()
    for name in (f"{at.host}:{at.port}", at.host):
        folder = _CERTIFICATES / name
        if folder.is_dir():
            for path in sorted(folder.glob("*.crt")):
                context.load_verify_locations(path)
    return context


def _proxy(at: Origin) -> ProxyServer | None:
    """The proxy that the environment has for a host; `None` for none."""
    if is_loopback(at.host) or urllib.request.proxy_bypass(f"{at.host}:{at.port}"):
        return None
    proxies = urllib.request.getproxies()
    text = proxies.get(at.scheme) or proxies.get("all")
    if not text:
        return None
    try:
        via = parse_proxy(text)
    except ProxyError:  # which says more, but of connections to Modal
        via = None
    if via is None or via.scheme != "http":
        raise Misdirected(
            f"the proxy of the environment for {at.scheme} cannot be used: its address must begin "
            "with http://, and a '/', '?' or '#' of its user or password is written %2F, %3F or %23"
        )
    return via


def _proxy_headers(via: ProxyServer) -> dict[str, str]:
    if not via.user:
        return {}
    login = f"{via.user}:{via.password}".encode()
    return {"Proxy-Authorization": f"Basic {base64.b64encode(login).decode()}"}
