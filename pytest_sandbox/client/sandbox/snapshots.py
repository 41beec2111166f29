"""The methods of a sandbox for snapshots, and for going back to one."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING

from pytest_sandbox._proto import extensions_pb2
from pytest_sandbox._proto import snapshots_pb2 as pb
from pytest_sandbox._proto.common_pb2 import GenericResult

from ..exceptions import ExecutionError, InvalidError
from ..image import Image, image_id
from ..memory_snapshot import SandboxSnapshot, forget_snapshot, taken, taken_by_router
from ..transport.calls import TIMEOUT
from ..transport.dual import dual
from ..transport.in_time import in_time
from ..transport.portal_call import delivered
from ..validation import check_seconds
from .directories import TTL, DirectoryMethods
from .exit_snapshot import exit_snapshot

if TYPE_CHECKING:
    from ..base_client import BaseClient
    from ..process.task_calls import TaskCalls

__tracebackhide__ = True  # a failing test shows the caller's line, not these


class SnapshotMethods(DirectoryMethods):
    """Snapshots of a sandbox: of its files, of a directory, of its memory."""

    _id: str
    _second: bool
    _client: BaseClient
    _lasting_client: BaseClient
    _task: TaskCalls

    @dual
    async def snapshot_filesystem(self, timeout: int = 55, *, ttl: int | None = TTL) -> Image:
        """Take a snapshot of its files, for `Sandbox.create(image=...)` and `restore`.

        The programs in it only notice a pause. Mounts are not part of the snapshot: volumes,
        mounted images, `/proc`, `/dev`. Every process that uses the same server finds
        the image by its `object_id`. It has the environment, working directory and command of the
        image that the sandbox was made from.

        Args:
            timeout: seconds that it may take.
            ttl: seconds after which the snapshot expires; `None` for as long as there is room. The
                default, 30 days, is `None` too: no run takes as long.

        Raises:
            ExecutionError: it took longer; with a `ttl`, `TimeoutError`.
            NotFoundError: the sandbox is gone.
            ResourceExhaustedError: there is no room, and every stored snapshot is in use.
            UnimplementedError: the engine takes no snapshots of files.
        """
        check_seconds("timeout", timeout)
        check_seconds("ttl", ttl)
        if not self._second and ttl in (None, TTL):
            return await delivered(self._filesystem_snapshot(timeout), self._forget)
        snapshot = delivered(self._routed_snapshot(ttl), self._forget)
        return await in_time(self._task.clock, timeout, snapshot, f"a snapshot of {self._id}")

    async def _filesystem_snapshot(self, timeout: int) -> Image:
        response = await self._client.calls.control(
            lambda link: link.control.SandboxSnapshotFs,
            pb.SandboxSnapshotFsRequest(sandbox_id=self._id, timeout=timeout),
            timeout=timeout + TIMEOUT,
        )
        if response.result.status != GenericResult.GENERIC_STATUS_SUCCESS:
            raise ExecutionError(response.result.exception)
        return Image.from_id(response.image_id)

    @dual
    async def restore(self, image: Image) -> None:
        """Reset it to an image: all its programs are killed, and it gets the files of the image.

        Its id, name, tags, timeout and mounted volumes stay. Its main process starts anew, and
        `stdin`, `stdout` and `stderr` are those of the new one. Mounts of `mount_image` are gone.

        Args:
            image: any image, such as a snapshot of this sandbox or another.

        Raises:
            NotFoundError: there is no such image, or the sandbox is gone.
            InvalidError: the image is one of a directory.
            ResourceExhaustedError: the machine has no room for it.
        """
        request = extensions_pb2.SandboxRestoreImageRequest(
            sandbox_id=self._id, image_id=await image_id(image, self._client)
        )
        await self._client.calls.control(lambda link: link.extensions.SandboxRestoreImage, request)
        self._begin()

    @dual
    async def _experimental_snapshot(self) -> SandboxSnapshot:
        """Take a snapshot of its files and running programs, for `_experimental_from_snapshot`.

        It continues afterwards. It must have been created with `_experimental_enable_snapshot`.

        Raises:
            ExecutionError: a program has something open that a snapshot cannot hold; the message
                names it.
            ConflictError: it was not created with that argument.
            NotFoundError: it is gone.
        """
        work = taken_by_router(self._client, self._task) if self._second else None
        return await delivered(
            work or taken(self._client, self._id),
            lambda snapshot: forget_snapshot(snapshot, self._client.calls),
        )

    @dual
    async def _experimental_get_exit_snapshot(self, timeout: float | None = None) -> Image:
        """The files that it had when it ended, once it has.

        It must have been created with `experimental_options={"enable_exit_snapshot": True}`.

        Args:
            timeout: seconds to wait for its end at most; until then, if not given.

        Raises:
            TimeoutError: it runs still.
            InvalidError: it was created without that option, or the timeout is negative.
            SnapshotCreationError: its files are gone.
            NotFoundError: the server does not know it any more.
        """
        if timeout is not None and not timeout >= 0:
            raise InvalidError(f"timeout={timeout!r} is negative")
        calls = self._lasting_client.calls
        return await exit_snapshot(calls, self._id, timeout, second=self._second)

    @abstractmethod
    def _begin(self) -> None:
        """Read and write the streams of the main process from their beginning."""
