"""Where the server listens: on a Unix socket, and over TCP for real Modal clients."""

from __future__ import annotations

import asyncio
import os
import socket
from typing import TYPE_CHECKING

from pytest_sandbox._shared.lazy_dataclass import dataclass
from pytest_sandbox._shared.network.loopback import is_loopback
from pytest_sandbox.engine import EngineUnavailable

from .rpc.auth import ListenerConfig, TokenPair

if TYPE_CHECKING:
    import ssl
    from pathlib import Path

    from .application import Application
    from .certificates import CertificateFiles
    from .rpc.grpc_server import RpcServer


@dataclass(frozen=True)
class Tcp:
    """Where real Modal clients reach the server.

    Attributes:
        url: for `MODAL_SERVER_URL`.
        token_id: for `MODAL_TOKEN_ID`.
        token_secret: for `MODAL_TOKEN_SECRET`.
        router_tls_url: where clients that want TLS for the command router find it; `None`
            without the package trustme.
        ca_file: the certificate that clients have to trust, as in `SSL_CERT_FILE`; `None` if
            there is none, or if it is a user's.
    """

    url: str
    token_id: str
    token_secret: str
    router_tls_url: str | None
    ca_file: str | None


class Listeners:
    """The listening sockets of one server."""

    def __init__(self, app: Application) -> None:
        self._app = app
        self._servers: list[RpcServer] = []

    @property
    def calls(self) -> int:
        """How many calls are under way."""
        return sum(server.calls for server in self._servers)

    async def unix(self, path: Path) -> None:
        """Listen on a Unix socket, for processes of this user: see `peers`."""
        server = self._app.server(ListenerConfig("unix", inspector=True, local=True))
        await server.start(path=str(path))
        os.chmod(path, 0o600)
        self._servers.append(server)

    async def tcp(
        self, host: str, port: int, ca_file: Path, files: CertificateFiles | None = None
    ) -> Tcp:
        """Listen for real Modal clients; port 0 means any.

        What others can reach speaks TLS only.

        Args:
            host: a name or address of this machine.
            port: for the control plane and the plaintext router, 0 for any; TLS has another one.
            ca_file: where to write the certificate.
            files: the certificate that others see; one of this server's own authority if not given.

        Raises:
            OSError: the address is in use, or not one of this machine.
            EngineUnavailable: others can reach the address, and there is no certificate; or the
                files are no certificate and its key.
        """
        if not is_loopback(host):
            return await self.remote(host, port, ca_file, files)
        tokens = TokenPair.random()
        plain = await self._bind(ListenerConfig("tcp", tokens), host, port)
        self._app.state.router_plain_authority = plain
        self._app.state.transfers.host = host
        tls = await self._tls(host, tokens, ca_file)
        self._app.state.router_tls_url = tls
        return Tcp(
            url=f"http://{plain}",
            token_id=tokens.id,
            token_secret=tokens.secret,
            router_tls_url=tls,
            ca_file=str(ca_file) if tls else None,
        )

    async def remote(
        self, host: str, port: int, ca_file: Path, files: CertificateFiles | None = None
    ) -> Tcp:
        """Listen where others can connect: as `tcp`, with TLS for everything."""
        authority, state = self._app.state.authority, self._app.state
        hosts = frozenset({"localhost", host})
        try:
            grpc = files.context("h2") if files else authority.context(hosts, "h2")
            http = files.context("http/1.1") if files else authority.context(hosts, "http/1.1")
        except ImportError:
            from .certificates import remedy

            raise EngineUnavailable(
                f"others can reach {host}, so the server has to speak TLS, which {remedy()}",
                "Or give it a certificate: --certificate FILE --key FILE.",
            ) from None
        if files is None:
            await asyncio.to_thread(ca_file.write_bytes, authority.pem)
        tokens = TokenPair.random()
        url = f"https://{await self._bind(ListenerConfig('tls', tokens), host, port, grpc)}"
        state.router_plain_authority, state.router_tls_url = None, url
        state.transfers.host, state.transfers.tls = host, http
        return Tcp(url, tokens.id, tokens.secret, url, None if files else str(ca_file))

    async def _tls(self, host: str, tokens: TokenPair, ca_file: Path) -> str | None:
        authority = self._app.state.authority
        try:
            context = authority.context(frozenset({"localhost", "127.0.0.1", host}), "h2")
        except ImportError:
            return None  # without the extra, which only Modal clients before 1.5 need
        await asyncio.to_thread(ca_file.write_bytes, authority.pem)
        return f"https://{await self._bind(ListenerConfig('tls', tokens), host, 0, context)}"

    async def _bind(
        self, listener: ListenerConfig, host: str, port: int, context: ssl.SSLContext | None = None
    ) -> str:
        """Listen; the address as clients write it."""
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        # asyncio sends small messages at once (TCP_NODELAY) only if the protocol is named: without
        # it, each answer waits 40 ms for the client's acknowledgement of the one before.
        listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        try:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind((host, port))
            server = self._app.server(listener, context)
            await server.start(sock=listening)
        except BaseException:
            listening.close()
            raise
        self._servers.append(server)
        named = f"[{host}]" if ":" in host else host
        return f"{named}:{listening.getsockname()[1]}"

    def close(self) -> None:
        """Stop listening and end all calls.

        Connections end with the process: since Python 3.12, `Server.wait_closed` waits until all
        clients have disconnected.
        """
        for server in self._servers:
            server.close()
