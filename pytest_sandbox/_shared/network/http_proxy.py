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

#: Turns proxies off for connections to Modal, as with Modal's client.
OFF = "MODAL_DISABLE_API_PROXY"
#: Ports of proxies whose URL names none.
_PORTS = {"http": 80, "socks5": 1080, "socks5h": 1080}
#: Bytes of the head of an answer, at most.
_HEAD = 64 * 1024
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
#: Hosts that no proxy leads to: they are another machine there.
_HERE = ("localhost", "127.0.0.1", "::1")


class ProxyError(OSError):
    """A proxy does not lead to a server, or what names it makes no sense."""


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


def proxy_to(host: str, *, tls: bool = True) -> ProxyServer | None:
    """The proxy on the way to a host, by the environment; `None` to connect to it directly.

    Args:
        host: its name or address.
        tls: whether TLS is spoken with it.

    Raises:
        ProxyError: a variable names no proxy that can be used.
    """
    off = os.environ.get(OFF, "").lower() not in ("", "0", "false")
    if off or host in _HERE or not any(name.lower().endswith("_proxy") for name in os.environ):
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
        ProxyError: it names none that can be used. Its password is not shown.
    """
    parts = urlsplit(url if "://" in url else f"http://{url}")
    shown = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
    try:
        port = parts.port
    except ValueError:
        port = -1
    if parts.scheme not in _PORTS or not parts.hostname or port == -1:
        raise ProxyError(
            f"the proxy {shown} of HTTPS_PROXY or ALL_PROXY is none that can be used: name one as "
            f"http://HOST:PORT or socks5h://HOST:PORT, leave the host out by NO_PROXY, or set {OFF}"
        )
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    return ProxyServer(parts.scheme, parts.hostname, port or _PORTS[parts.scheme], user, password)


def connect_through(proxy: ProxyServer, host: str, port: int, timeout: float) -> socket.socket:
    """A connection to a host by a proxy, on which nothing was sent yet. Blocks.

    Args:
        proxy: the proxy.
        host: name or address of the server.
        port: of the server.
        timeout: seconds for each step.

    Raises:
        ProxyError: there is no way.
    """
    try:
        connection = socket.create_connection((proxy.host, proxy.port), timeout)
    except OSError as error:
        raise ProxyError(f"the proxy {proxy} cannot be reached: {error}") from None
    with contextlib.ExitStack() as stack:
        stack.callback(connection.close)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            if proxy.scheme == "http":
                _by_http(connection, proxy, host, port)
            else:
                _by_socks(connection, proxy, host, port)
        except ProxyError:
            raise
        except OSError as error:
            raise ProxyError(f"the proxy {proxy} gave no way to {host}:{port}: {error}") from None
        connection.settimeout(None)
        stack.pop_all()
    return connection


def _by_http(connection: socket.socket, proxy: ProxyServer, host: str, port: int) -> None:
    target = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    lines = [f"CONNECT {target} HTTP/1.1", f"Host: {target}"]
    if proxy.user:
        both = base64.b64encode(f"{proxy.user}:{proxy.password}".encode()).decode()
        lines.append(f"Proxy-Authorization: Basic {both}")
    connection.sendall("\r\n".join([*lines, "", ""]).encode())
    head = b""
    # Byte by byte: what follows the head belongs to the server, which may speak first.
    while not head.endswith(b"\r\n\r\n"):
        byte = connection.recv(1)
        if not byte or len(head) == _HEAD:
            raise ProxyError(f"the proxy {proxy} did not answer in HTTP: {head[:100]!r}")
        head += byte
    status = head.partition(b"\r\n")[0].decode("latin-1")
    words = status.split(maxsplit=2)
    if len(words) < 2 or not words[0].startswith("HTTP/") or not words[1].startswith("2"):
        hint = ""
        if words[1:2] == ["407"]:
            hint = ": write the user and the password into its URL, http://USER:PASSWORD@HOST:PORT"
        raise ProxyError(f"the proxy {proxy} answered {status!r} for {target}{hint}")


def _by_socks(connection: socket.socket, proxy: ProxyServer, host: str, port: int) -> None:
    method = 2 if proxy.user else 0
    connection.sendall(bytes([5, 1, method]))
    version, chosen = _exactly(connection, proxy, 2)
    if version != 5 or chosen != method:
        wants = "wants a user and a password" if not proxy.user else "takes no password"
        raise ProxyError(f"the proxy {proxy} does not speak SOCKS 5, or {wants}")
    if proxy.user:
        user, password = proxy.user.encode(), proxy.password.encode()
        connection.sendall(bytes([1, len(user)]) + user + bytes([len(password)]) + password)
        if _exactly(connection, proxy, 2)[1]:
            raise ProxyError(f"the proxy {proxy} does not take the user {proxy.user!r}")
    connection.sendall(b"\x05\x01\x00" + _address(proxy, host) + struct.pack("!H", port))
    _, failure, _, kind = _exactly(connection, proxy, 4)
    if failure:
        words = _SOCKS_FAILURES.get(failure, f"failure {failure}")
        raise ProxyError(f"the proxy {proxy} gave no way to {host}:{port}: {words}")
    size = {1: 4, 4: 16}.get(kind) or _exactly(connection, proxy, 1)[0]
    _exactly(connection, proxy, size + 2)


def _address(proxy: ProxyServer, host: str) -> bytes:
    """A host as SOCKS has it: an address, or a name that the proxy looks up."""
    for family, kind in ((socket.AF_INET, 1), (socket.AF_INET6, 4)):
        with contextlib.suppress(OSError):
            return bytes([kind]) + socket.inet_pton(family, host)
    if proxy.scheme == "socks5h":
        name = host.encode("idna")
        return bytes([3, len(name)]) + name
    address = socket.getaddrinfo(host, None, socket.AF_INET, socket.SOCK_STREAM)[0][4][0]
    return b"\x01" + socket.inet_pton(socket.AF_INET, str(address))


def _exactly(connection: socket.socket, proxy: ProxyServer, size: int) -> bytes:
    data = b""
    while len(data) < size:
        more = connection.recv(size - len(data))
        if not more:
            raise ProxyError(f"the proxy {proxy} closed the connection")
        data += more
    return data
