"""Ways through the proxies that environment variables name, as Modal's client goes them.

`HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY`, in capitals or not, as `urllib.request`
reads them. Proxies are of HTTP (`CONNECT` of RFC 9110, 9.3.6) or SOCKS 5 (RFC 1928).
"""

from __future__ import annotations

import base64
import contextlib
import os
import socket
import struct
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from pytest_sandbox._shared import real

#: Turns proxies off for connections to Modal, as with Modal's client.
OFF = "MODAL_DISABLE_API_PROXY"
#: Ports of proxies whose URL names none.
_PORTS = {"http": 80, "socks5": 1080, "socks5h": 1080}
#: Bytes of the head of an answer, at most.
_HEAD = 64 * 1024
#: Answers of HTTP after which another attempt may end otherwise.
_PASSING = ("408", "429")
#: Bytes of a name, a user or a password that SOCKS has room for.
_LONGEST = 255
#: What a SOCKS proxy says of a failure, RFC 1928, 6.
_SOCKS_FAILURES = {
    1: "general failure",
    2: "its rules do not allow the connection",
    3: "network unreachable",
    4: "host unreachable",
    5: "connection refused",
    6: "TTL expired",
    7: "command not supported",
    8: "address type not supported",
}
_NOT_ALLOWED = 2
#: Hosts that no proxy leads to: they are another machine there.
_HERE = ("localhost", "127.0.0.1", "::1")


class ProxyError(OSError):
    """A proxy does not lead to a server, or what names it makes no sense."""


class ProxyRefused(ProxyError):
    """The same, and another attempt would end alike."""


@dataclass(frozen=True)
class ProxyServer:
    """A proxy.

    Attributes:
        scheme: `http`, `socks5`, or `socks5h`, which looks names up itself.
        host: where it is.
        port: likewise.
        user: that it is told; empty for none.
        password: likewise.
    """

    scheme: str
    host: str
    port: int
    user: str = ""
    password: str = field(default="", repr=False)

    def __str__(self) -> str:
        return f"{self.scheme}://{self.host}:{self.port}"


def is_off() -> bool:
    """Whether the environment says that no proxy is to be used."""
    return os.environ.get(OFF, "").lower() not in ("", "0", "false")


def proxy_to(host: str, *, tls: bool = True) -> ProxyServer | None:
    """The proxy on the way to a host, by the environment; `None` to connect to it directly.

    Args:
        host: its name or address.
        tls: whether TLS is spoken with it.

    Raises:
        ProxyRefused: a variable names no proxy that can be used.
    """
    if is_off() or host in _HERE or not any(name.lower().endswith("_proxy") for name in os.environ):
        return None
    from urllib.request import getproxies, proxy_bypass  # late: most runs have no proxy

    found = getproxies()
    url = found.get("https" if tls else "http") or found.get("all")
    if not url or proxy_bypass(host):
        return None
    return parse_proxy(url)


def parse_proxy(url: str) -> ProxyServer:
    """The proxy that a URL names.

    Raises:
        ProxyRefused: it names none that can be used. Its user and password are not shown.
    """
    whole = url if "://" in url else f"http://{url}"
    scheme, _, rest = whole.partition("://")
    before, at, place = rest.rpartition("@")
    if at and any(mark in before for mark in "/?#"):
        why = "a '/', '?' or '#' of its user or password is written %2F, %3F or %23"
        raise _unusable(f"{scheme}://{place}", why)
    try:
        parts = urlsplit(whole)
        port = parts.port
    except ValueError:  # whose words may have the password
        raise _unusable(f"{scheme}://{place}") from None
    if parts.scheme not in _PORTS or not parts.hostname:
        raise _unusable(f"{scheme}://{place}")
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    if parts.scheme != "http" and max(len(user.encode()), len(password.encode())) > _LONGEST:
        raise _unusable(f"{scheme}://{place}", f"SOCKS takes {_LONGEST} bytes of each")
    return ProxyServer(parts.scheme, parts.hostname, port or _PORTS[parts.scheme], user, password)


def _unusable(shown: str, why: str = "") -> ProxyRefused:
    return ProxyRefused(
        f"the proxy {shown} of HTTPS_PROXY or ALL_PROXY cannot be used{why and f' ({why})'}: name "
        "one as http://HOST:PORT or socks5h://HOST:PORT, leave the host out by NO_PROXY, or set "
        f"{OFF}=1"
    )


def connect_through(proxy: ProxyServer, host: str, port: int, timeout: float) -> socket.socket:
    """A connection to a host by a proxy, on which nothing was sent yet. Blocks.

    Args:
        proxy: the proxy.
        host: name or address of the server.
        port: of the server.
        timeout: seconds for all of it.

    Raises:
        ProxyError: there is no way.
    """
    until = real.monotonic() + timeout
    try:
        connection = socket.create_connection((proxy.host, proxy.port), timeout)
    except (OSError, UnicodeError) as error:
        raise ProxyError(f"the proxy {proxy} cannot be reached: {error}") from None
    with contextlib.ExitStack() as stack:
        stack.callback(connection.close)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            way = _Way(connection, proxy, until)
            if proxy.scheme == "http":
                _by_http(way, host, port)
            else:
                _by_socks(way, host, port)
        except ProxyError:
            raise
        except (OSError, UnicodeError) as error:
            raise ProxyError(f"the proxy {proxy} gave no way to {host}:{port}: {error}") from None
        connection.settimeout(None)
        stack.pop_all()
    return connection


class _Way:
    """A connection to a proxy that has not led on yet."""

    def __init__(self, connection: socket.socket, proxy: ProxyServer, until: float) -> None:
        self._connection = connection
        self.proxy = proxy
        self._until = until

    def send(self, data: bytes) -> None:
        self._connection.settimeout(self._left())
        self._connection.sendall(data)

    def exactly(self, size: int) -> bytes:
        """So many bytes: what follows belongs to the server, which may speak first."""
        data = b""
        while len(data) < size:
            # A proxy that sends one byte now and then has no more time than another.
            self._connection.settimeout(self._left())
            more = self._connection.recv(size - len(data))
            if not more:
                raise ProxyError(f"the proxy {self.proxy} closed the connection")
            data += more
        return data

    def _left(self) -> float:
        left = self._until - real.monotonic()
        if left <= 0:
            raise TimeoutError("timed out")
        return left


def _by_http(way: _Way, host: str, port: int) -> None:
    proxy = way.proxy
    target = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    lines = [f"CONNECT {target} HTTP/1.1", f"Host: {target}"]
    if proxy.user:
        both = base64.b64encode(f"{proxy.user}:{proxy.password}".encode()).decode()
        lines.append(f"Proxy-Authorization: Basic {both}")
    way.send("\r\n".join([*lines, "", ""]).encode())
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        if len(head) == _HEAD:
            raise ProxyError(f"the proxy {proxy} did not answer in HTTP: {head[:100]!r}")
        head += way.exactly(1)
    status = head.partition(b"\r\n")[0].decode("latin-1")
    words = status.split(maxsplit=2)
    if len(words) < 2 or not words[0].startswith("HTTP/") or not words[1].startswith("2"):
        hint = ""
        if words[1:2] == ["407"]:
            hint = ": write the user and the password into its URL, http://USER:PASSWORD@HOST:PORT"
        lasting = words[1:2] and words[1].startswith("4") and words[1] not in _PASSING
        kind = ProxyRefused if lasting else ProxyError
        raise kind(f"the proxy {proxy} answered {status!r} for {target}{hint}")


def _by_socks(way: _Way, host: str, port: int) -> None:
    proxy = way.proxy
    method = 2 if proxy.user else 0
    way.send(bytes([5, 1, method]))
    version, chosen = way.exactly(2)
    if version != 5 or chosen != method:
        wants = "wants a user and a password" if not proxy.user else "takes no password"
        raise ProxyRefused(f"the proxy {proxy} does not speak SOCKS 5, or {wants}")
    if proxy.user:
        user, password = proxy.user.encode(), proxy.password.encode()
        way.send(bytes([1, len(user)]) + user + bytes([len(password)]) + password)
        if way.exactly(2)[1]:
            raise ProxyRefused(
                f"the proxy {proxy} does not take the user {proxy.user!r} and the password"
            )
    way.send(b"\x05\x01\x00" + _address(proxy, host) + struct.pack("!H", port))
    _, failure, _, kind = way.exactly(4)
    if failure:
        words = _SOCKS_FAILURES.get(failure, f"failure {failure}")
        refused = ProxyRefused if failure == _NOT_ALLOWED else ProxyError
        raise refused(f"the proxy {proxy} gave no way to {host}:{port}: {words}")
    size = {1: 4, 4: 16}.get(kind) or way.exactly(1)[0]
    way.exactly(size + 2)


def _address(proxy: ProxyServer, host: str) -> bytes:
    """A host as SOCKS has it: an address, or a name that the proxy looks up."""
    for family, kind in ((socket.AF_INET, 1), (socket.AF_INET6, 4)):
        with contextlib.suppress(OSError):
            return bytes([kind]) + socket.inet_pton(family, host)
    if proxy.scheme == "socks5h":
        name = host.encode("idna")
        if len(name) > _LONGEST:
            raise ProxyRefused(f"the proxy {proxy} takes no host of {len(name)} bytes")
        return bytes([3, len(name)]) + name
    address = socket.getaddrinfo(host, None, socket.AF_INET, socket.SOCK_STREAM)[0][4][0]
    return b"\x01" + socket.inet_pton(socket.AF_INET, str(address))
