"""The methods of a sandbox for its ports and volumes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_sandbox._proto.common_pb2 import GenericResult
from pytest_sandbox._proto.containers_pb2 import ContainerReloadVolumesRequest
from pytest_sandbox._proto.sandboxes_pb2 import SandboxGetTunnelsRequest

from ..exceptions import SandboxTimeoutError
from ..transport.calls import TIMEOUT
from ..transport.dual import dual
from ..tunnel import Tunnel, Tunnels
from ..validation import check_seconds

if TYPE_CHECKING:
    from ..base_client import BaseClient
    from ..process.task_calls import TaskCalls

__tracebackhide__ = True  # a failing test shows the caller's line, not these


class PortMethods:
    """Ports and volumes of a sandbox."""

    _id: str
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
            lambda link: link.control.SandboxGetTunnels, request, timeout=timeout + TIMEOUT
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
    async def reload_volumes(self) -> None:
        """Show what others have written to its volumes.

        Engines of this package show that at once; the call is here for code that runs on Modal.

        Raises:
            NotFoundError: it has ended.
        """
        request = ContainerReloadVolumesRequest(task_id=await self._task.id())
        await self._client.calls.control(lambda link: link.control.ContainerReloadVolumes, request)
