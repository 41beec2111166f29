"""Connect tokens: credentials for HTTP and WebSockets to a port of a sandbox."""

import asyncio
import re
from dataclasses import field

from pytest_sandbox._proto import sandboxes_pb2 as pb
from pytest_sandbox._shared.lazy_dataclass import dataclass
from pytest_sandbox.engine import Capability

from ..async_helpers import start
from ..certificates import Authority
from ..model.sandbox import ServedSandbox
from ..model.state import State
from ..networks.network import is_blocked
from ..rpc.call import ServedCall
from ..rpc.errors import invalid, precondition, unimplemented
from ..tunnels.addresses import https_listener, plain_listener
from ..tunnels.connect_proxy import ConnectProxy
from ..tunnels.connect_tokens import ConnectGrant, ConnectTokens
from ..tunnels.visitors import Visitors

#: The port inside that Modal's clients before 1.6 mean, which name none.
_PORT = 8080
#: Characters that the metadata may have.
_LONGEST = 512
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


@dataclass
class _Proxied:
    tokens: ConnectTokens = field(default_factory=ConnectTokens)
    urls: dict[bool, str] = field(default_factory=dict)
    opening: asyncio.Lock = field(default_factory=asyncio.Lock)
    proxies: list[ConnectProxy] = field(default_factory=list)


class ConnectTokenServicer:
    """The RPC that makes them. Where a sandbox is reached by them opens with its first one."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._known: dict[str, _Proxied] = {}

    async def SandboxCreateConnectToken(
        self, request: pb.SandboxCreateConnectTokenRequest, call: ServedCall
    ) -> pb.SandboxCreateConnectTokenResponse:
        """A new token, and where it is used.

        Real Modal clients get an address of HTTPS, whose certificate the programs under `serve`
        trust. Our own get one of HTTP, for which no client has to be told to trust anything.
        """
        sandbox = self._state.sandboxes.get(request.sandbox_id)
        grant = self._grant(sandbox, request)
        proxied = self._known.get(sandbox.id)
        if proxied is None:
            proxied = self._known[sandbox.id] = _Proxied()
            start(self._forget_after(sandbox, proxied))
        secure = not call.listener.local and Authority.available()
        async with proxied.opening:
            if secure not in proxied.urls:
                proxied.urls[secure] = await self._open(sandbox, proxied, secure=secure)
        token = proxied.tokens.issue(grant)
        return pb.SandboxCreateConnectTokenResponse(url=proxied.urls[secure], token=token)

    async def close(self) -> None:
        """End all connections, and return when that is done."""
        proxies = [each for proxied in self._known.values() for each in proxied.proxies]
        await asyncio.gather(*(proxy.abort() for proxy in proxies))

    def _grant(
        self, sandbox: ServedSandbox, request: pb.SandboxCreateConnectTokenRequest
    ) -> ConnectGrant:
        port = request.port if request.HasField("port") else _PORT
        if not 0 < port < 65536:
            raise invalid(f"port must be from 1 to 65535, not {port}")
        if len(request.user_metadata) > _LONGEST:
            raise invalid(f"user_metadata must be at most {_LONGEST} characters")
        if _CONTROL.search(request.user_metadata):
            raise invalid("user_metadata must have no control characters: it is sent in a header")
        if Capability.PORT not in self._state.info.capabilities:
            raise unimplemented(
                f"create_connect_token: the engine {self._state.info.name!r} cannot connect to "
                "ports of sandboxes"
            )
        if is_blocked(sandbox.definition):
            raise precondition(
                f"port {port} cannot be reached: Sandbox {sandbox.id!r} has block_network"
            )
        if sandbox.result is not None:
            raise precondition(f"Sandbox {sandbox.id!r} has ended: {sandbox.why_ended}")
        return ConnectGrant(port, request.user_metadata)

    async def _open(self, sandbox: ServedSandbox, proxied: _Proxied, *, secure: bool) -> str:
        listener = https_listener(f"{sandbox.id}/connect") if secure else plain_listener()
        visitors = Visitors(sandbox, everybody=self._state.tunnels_for_everybody)
        proxy = ConnectProxy(sandbox, proxied.tokens, listener, visitors)
        proxied.proxies.append(proxy)
        host, port = listener.getsockname()
        if not secure:
            await proxy.open(None)
            return f"http://{host}:{port}"
        names = frozenset({"localhost", "127.0.0.1", host})
        await proxy.open(self._state.authority.context(names, "http/1.1"))
        return f"https://{host}" if port == 443 else f"https://{host}:{port}"

    async def _forget_after(self, sandbox: ServedSandbox, proxied: _Proxied) -> None:
        await sandbox.over()
        del self._known[sandbox.id]
        for proxy in proxied.proxies:
            proxy.close()
