"""The methods of a sandbox for its ports and volumes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from pytest_sandbox._proto.common_pb2 import GenericResult
from pytest_sandbox._proto.containers_pb2 import ContainerReloadVolumesRequest
from pytest_sandbox._proto.router_pb2 import TaskReloadVolumesRequest
from pytest_sandbox._proto.sandboxes_pb2 import (
    SandboxCreateConnectTokenRequest,
    SandboxGetTunnelsRequest,
)
from pytest_sandbox._shared.type_names import type_name

from ..connect_credentials import SandboxConnectCredentials
from ..exceptions import InvalidError, SandboxTimeoutError
from ..transport.calls import TIMEOUT
from ..transport.dual import dual
from ..transport.in_time import in_time
from ..tunnel import Tunnel, Tunnels
from ..validation import check_seconds

if TYPE_CHECKING:
    from ..base_client import BaseClient
    from ..process.task_calls import TaskCalls

__tracebackhide__ = True  # a failing test shows the caller's line, not these


class PortMethods:
    """Ports and volumes of a sandbox."""

    _id: str
    _second: bool
    _client: BaseClient
    _task: TaskCalls
    _tunnels: dict[int, Tunnel] | None = None

    @dual
    async def tunnels(self, timeout: int = 50) -> dict[int, Tunnel]:
        """Where its ports are reached, by the port inside.

        The first call opens them; they close when the sandbox ends.

        Args:
            timeout: seconds that opening them may take.

        Raises:
            SandboxTimeoutError: it took longer.
            ConflictError: it has ended.
        """
        check_seconds("timeout", timeout, least=0)
        if self._tunnels:
            return self._tunnels
        request = SandboxGetTunnelsRequest(sandbox_id=self._id, timeout=timeout)
        response, metadata = await self._client.calls.control_with_metadata(
            lambda link: (
                link.control.SandboxGetTunnelsV2 if self._second else link.control.SandboxGetTunnels
            ),
            request,
            timeout=timeout + TIMEOUT,
        )
        if response.result.status == GenericResult.GENERIC_STATUS_TIMEOUT:
            raise SandboxTimeoutError(f"{self._id} has no tunnels after {timeout} seconds")
        certificate = metadata.get("x-sandbox-tunnel-ca-bin", b"")
        assert isinstance(certificate, bytes)  # as grpclib has it for names in -bin
        self._tunnels = Tunnels(
            {
                data.container_port: Tunnel(
                    data.host,
                    data.port,
                    data.unencrypted_host,
                    data.unencrypted_port,
                    certificate.decode() if data.host else "",
                )
                for data in response.tunnels
            }
        )
        return self._tunnels

    @dual
    async def create_connect_token(
        self, user_metadata: str | dict[str, Any] | None = None, port: int = 8080
    ) -> SandboxConnectCredentials:
        """A token for requests by HTTP/1.1, and for WebSockets, to a port inside.

        Args:
            user_metadata: what the program inside gets in the header `X-Verified-User-Data` of each
                request that is made with the token, a dict as JSON; at most 512 characters.
            port: the port inside.

        Raises:
            InvalidError: an argument makes no sense.
            ConflictError: the sandbox has ended, or has `block_network`.
            UnimplementedError: the engine cannot connect to ports of sandboxes.
        """
        if isinstance(user_metadata, dict):
            try:
                user_metadata = json.dumps(user_metadata)
            except (TypeError, ValueError) as error:
                raise InvalidError(f"user_metadata cannot be written as JSON: {error}") from None
        if not isinstance(user_metadata, str | None):
            raise InvalidError(
                f"user_metadata={user_metadata!r} is {type_name(user_metadata)}, not a str or dict"
            )
        if isinstance(port, bool) or not isinstance(port, int) or not 0 < port < 65536:
            raise InvalidError(f"port={port!r} is not a port from 1 to 65535")
        request = SandboxCreateConnectTokenRequest(
            sandbox_id=self._id, user_metadata=user_metadata or "", port=port
        )
        response = await self._client.calls.control(
            lambda link: (
                link.control.SandboxCreateConnectTokenV2
                if self._second
                else link.control.SandboxCreateConnectToken
            ),
            request,
        )
        return SandboxConnectCredentials(response.url, response.token)

    @dual
    async def reload_volumes(self, *, timeout: int = 55) -> None:
        """Show what others have written to its volumes.

        Engines of this package show that at once, unless they are asked for Modal's semantics:
        then its own changes are committed, and what others have committed is shown.

        Args:
            timeout: seconds that it may take.

        Raises:
            TimeoutError: it took longer.
            NotFoundError: it has ended.
        """
        check_seconds("timeout", timeout)
        what = f"a reload of the volumes of {self._id}"
        await in_time(self._task.clock, timeout, self._reload(), what)

    async def _reload(self) -> None:
        task_id = await self._task.id()
        if self._second:
            routed = TaskReloadVolumesRequest(task_id=task_id)
            await self._task.call(lambda link: link.router.TaskReloadVolumes, routed, timeout=None)
            return
        request = ContainerReloadVolumesRequest(task_id=task_id)
        await self._client.calls.control(
            lambda link: link.control.ContainerReloadVolumes, request, timeout=None
        )
