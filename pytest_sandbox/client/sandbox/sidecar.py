"""A sidecar: a further container of a sandbox."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_sandbox._proto.common_pb2 import GenericResult
from pytest_sandbox._proto.router_pb2 import (
    TaskContainerTerminateRequest,
    TaskContainerWaitRequest,
    TaskReloadVolumesRequest,
)

from ..exceptions import SandboxTerminatedError
from ..files.filesystem import SandboxFilesystem
from ..handles import address, client_at
from ..process.task_calls import TaskCalls
from ..transport.calls import TIMEOUT
from ..transport.dual import dual
from ..transport.in_time import in_time
from ..transport.portal_call import delivered
from ..validation import check_seconds
from .commands import CommandMethods
from .directories import TTL, DirectoryMethods
from .lifetime import exit_code

if TYPE_CHECKING:
    from ..base_client import BaseClient
    from ..image import Image

__tracebackhide__ = True  # a failing test shows the caller's line, not these


class SidecarContainer(CommandMethods, DirectoryMethods):
    """A container that runs beside that of a sandbox, with files and commands of its own.

    Get one from `Sandbox._experimental_sidecars`. It ends with its sandbox at the latest. It can be
    passed to other processes of the run.
    """

    def __init__(
        self,
        client: BaseClient,
        task: TaskCalls,
        name: str,
        result: GenericResult | None = None,
    ) -> None:
        self._client = client
        self._task = task
        self._name = name
        self._result = result

    def __repr__(self) -> str:
        return f"SidecarContainer({self._name!r}, {self.object_id!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        where = address(self._client, self)
        return _unpickled, (where, self._task.sandbox_id, self._task.container_id, self._name)

    @property
    def object_id(self) -> str:
        """Its id."""
        return self._task.container_id

    @property
    def name(self) -> str:
        """Its name, by which the sandbox and other sidecars reach it."""
        return self._name

    @property
    def filesystem(self) -> SandboxFilesystem:
        """Its files."""
        return SandboxFilesystem(self._client, self._task)

    @dual
    async def snapshot_filesystem(self, timeout: int = 55, *, ttl: int | None = TTL) -> Image:
        """Take a snapshot of its files, as `Sandbox.snapshot_filesystem` does.

        Args:
            timeout: seconds that it may take.
            ttl: seconds after which the snapshot expires; `None` for as long as there is room.

        Raises:
            TimeoutError: it took longer.
            NotFoundError: it is gone.
            ResourceExhaustedError: there is no room, and every stored snapshot is in use.
        """
        check_seconds("timeout", timeout)
        check_seconds("ttl", ttl)
        snapshot = delivered(self._routed_snapshot(ttl), self._forget)
        return await in_time(self._task.clock, timeout, snapshot, f"a snapshot of {self!r}")

    @dual
    async def wait(self, raise_on_termination: bool = True) -> None:
        """Wait until it has ended.

        Args:
            raise_on_termination: whether a terminated sidecar is an error.

        Raises:
            SandboxTerminatedError: it was terminated, or its sandbox has ended.
            NotFoundError: its machine is gone, so nobody knows how it ended.
        """
        while (result := await self._ask(self._client.calls.hold)) is None:
            pass
        if result.status == GenericResult.GENERIC_STATUS_TERMINATED and raise_on_termination:
            raise SandboxTerminatedError(f"{self!r} was terminated")

    @dual
    async def poll(self) -> int | None:
        """Its exit code: that of its main process, 137 if it was terminated; `None` until then."""
        result = await self._ask(0)
        return None if result is None else exit_code(result)

    @dual
    async def terminate(self, *, wait: bool = False) -> int | None:
        """End it at once; does nothing if it has ended.

        Args:
            wait: ask how it ended too, and return its exit code; `None` otherwise.
        """
        request = TaskContainerTerminateRequest(
            task_id=await self._task.id(), container_id=self.object_id
        )
        await self._task.call(lambda link: link.router.TaskContainerTerminate, request)
        if not wait:
            return None
        await self.wait.core(raise_on_termination=False)
        return await self.poll.core()

    @dual
    async def reload_volumes(self, *, timeout: int = 55) -> None:
        """Show what others have written to its volumes, as `Sandbox.reload_volumes` does.

        Args:
            timeout: seconds that it may take.

        Raises:
            TimeoutError: it took longer.
            NotFoundError: it has ended.
        """
        check_seconds("timeout", timeout)
        await in_time(self._task.clock, timeout, self._reload(), f"a reload of {self!r}")

    async def _reload(self) -> None:
        request = TaskReloadVolumesRequest(
            task_id=await self._task.id(), container_id=self.object_id
        )
        await self._task.call(lambda link: link.router.TaskReloadVolumes, request, timeout=None)

    async def _ask(self, hold: float) -> GenericResult | None:
        if self._result is None:
            request = TaskContainerWaitRequest(
                task_id=await self._task.id(), container_id=self.object_id, timeout=hold
            )
            response = await self._task.call(
                lambda link: link.router.TaskContainerWait, request, timeout=hold + TIMEOUT
            )
            self._result = response.result if response.result.status else None
        return self._result


def _unpickled(where: str, sandbox_id: str, container_id: str, name: str) -> SidecarContainer:
    client = client_at(where)
    return SidecarContainer(client, TaskCalls(client.calls, sandbox_id, container_id), name)
