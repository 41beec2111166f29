"""Tunnels: addresses on this machine that lead to ports of sandboxes."""

import asyncio
import socket
import ssl

from pytest_sandbox._proto import common_pb2
from pytest_sandbox._proto import sandboxes_pb2 as pb
from pytest_sandbox._shared.async_tasks import retrieve

from ..async_helpers import start
from ..certificates import Authority, remedy
from ..model.checks import check_timeout
from ..model.sandbox import ServedSandbox
from ..model.state import State
from ..rpc.call import ServedCall
from ..rpc.errors import precondition
from ..tunnels.addresses import HOST, https_listener, plain_listener
from ..tunnels.tunnel import TunnelListener
from ..tunnels.visitors import Visitors

_HOSTS = frozenset({HOST, "localhost"})


class TunnelServicer:
    """The tunnel RPC.

    Tunnels are opened when a client first asks for them: before that nobody can know their
    addresses, and for most sandboxes with ports no client ever asks.
    """

    def __init__(self, state: State) -> None:
        self._state = state
        self._known: dict[str, asyncio.Future[list[pb.TunnelData]]] = {}
        self._open: set[TunnelListener] = set()

    async def SandboxGetTunnels(
        self, request: pb.SandboxGetTunnelsRequest, call: ServedCall
    ) -> pb.SandboxGetTunnelsResponse:
        """The addresses of a sandbox's ports, which stay the same until it ends.

        Our own client gets the certificate that encrypted tunnels are verified with beside the
        response, in the initial metadata.
        """
        sandbox = self._state.sandboxes.get(request.sandbox_id)
        check_timeout(request.timeout)
        if sandbox.result is not None:
            raise precondition(
                f"Sandbox {sandbox.id!r} has ended, and its tunnels: {sandbox.why_ended}"
            )
        tunnels = await self._of(sandbox)
        if any(tunnel.host for tunnel in tunnels):
            call.initial_metadata = {"x-sandbox-tunnel-ca-bin": self._state.authority.pem}
        return pb.SandboxGetTunnelsResponse(
            result=common_pb2.GenericResult(status=common_pb2.GenericResult.GENERIC_STATUS_SUCCESS),
            tunnels=tunnels,
        )

    async def _of(self, sandbox: ServedSandbox) -> list[pb.TunnelData]:
        """The tunnels of a sandbox, which are opened once, by the first of concurrent calls."""
        if sandbox.id not in self._known:
            self._known[sandbox.id] = asyncio.ensure_future(self._make(sandbox))
            self._known[sandbox.id].add_done_callback(retrieve)
        try:
            return await asyncio.shield(self._known[sandbox.id])
        except Exception:
            self._known.pop(sandbox.id, None)  # another time there may be room
            raise

    async def close(self) -> None:
        """Close all tunnels, and return when that is done."""
        await asyncio.gather(*(tunnel.abort() for tunnel in self._open))

    async def _make(self, sandbox: ServedSandbox) -> list[pb.TunnelData]:
        made: list[TunnelListener] = []
        try:
            data = [
                await self._one(sandbox, spec, made) for spec in sandbox.definition.open_ports.ports
            ]
        except BaseException:
            self._forget(sandbox, made)
            raise
        start(self._forget_after(sandbox, made))
        return data

    async def _forget_after(self, sandbox: ServedSandbox, made: list[TunnelListener]) -> None:
        await sandbox.over()
        self._forget(sandbox, made)

    def _forget(self, sandbox: ServedSandbox, made: list[TunnelListener]) -> None:
        self._known.pop(sandbox.id, None)
        for tunnel in made:
            tunnel.close()
            self._open.discard(tunnel)

    async def _one(
        self, sandbox: ServedSandbox, spec: pb.PortSpec, made: list[TunnelListener]
    ) -> pb.TunnelData:
        """One port; an unencrypted one is reached over TLS as well, as at Modal."""
        data = pb.TunnelData(container_port=spec.port)
        if spec.unencrypted:
            listener = plain_listener()
            data.unencrypted_host, data.unencrypted_port = listener.getsockname()
            await self._tunnel(sandbox, spec, listener, made).open(None)
        if not spec.unencrypted or Authority.available():
            listener = https_listener(f"{sandbox.id}/{spec.port}")
            data.host, data.port = listener.getsockname()
            tunnel = self._tunnel(sandbox, spec, listener, made)
            await tunnel.open(self._context(spec, data.host))
        return data

    def _tunnel(
        self,
        sandbox: ServedSandbox,
        spec: pb.PortSpec,
        listener: socket.socket,
        made: list[TunnelListener],
    ) -> TunnelListener:
        visitors = Visitors(sandbox, everybody=self._state.tunnels_for_everybody)
        tunnel = TunnelListener(sandbox, spec.port, listener, visitors)
        made.append(tunnel)
        self._open.add(tunnel)
        return tunnel

    def _context(self, spec: pb.PortSpec, host: str) -> ssl.SSLContext:
        protocol = "h2" if spec.tunnel_type == pb.TUNNEL_TYPE_H2 else "http/1.1"
        try:
            return self._state.authority.context(_HOSTS | {host}, protocol)
        except ImportError:
            raise precondition(f"encrypted_ports={spec.port} {remedy()}") from None
