"""Snapshots of the files of a sandbox or a sidecar, and snapshots that are mounted in it."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from pytest_sandbox._proto import router_pb2

from ..image import Image, forget_image, image_id
from ..transport.dual import dual
from ..transport.in_time import in_time
from ..transport.portal_call import delivered
from ..validation import check_path, check_seconds

if TYPE_CHECKING:
    from pathlib import PurePosixPath

    from ..base_client import BaseClient
    from ..process.task_calls import TaskCalls

__tracebackhide__ = True  # a failing test shows the caller's line, not these

#: Seconds after which a snapshot of a directory expires, as Modal's newer clients ask.
TTL = 30 * 24 * 3600


class DirectoryMethods:
    """Snapshots by the command router, of all files and of directories."""

    _client: BaseClient
    _task: TaskCalls

    @dual
    async def snapshot_directory(
        self,
        path: PurePosixPath | str,
        *,
        timeout: int = 55,
        ttl: int | None = TTL,
        _experimental_encryption_key: bytes | None = None,
    ) -> Image:
        """Take a snapshot of a directory, for `mount_image`.

        Args:
            path: the directory, absolute.
            timeout: seconds that it may take.
            ttl: seconds after which the snapshot expires, 30 days by default; `None` for as long as
                there is room.
            _experimental_encryption_key: encrypt it with this key, of 32 bytes, which
                `mount_image` then needs.

        Raises:
            TimeoutError: it took longer.
            NotFoundError: there is no such directory, or the sandbox is gone.
            InvalidError: it is no directory.
            ResourceExhaustedError: there is no room, and every stored snapshot is in use.
            UnimplementedError: the engine takes no snapshots of directories.
        """
        check_seconds("timeout", timeout)
        check_seconds("ttl", ttl)
        request = router_pb2.TaskSnapshotDirectoryRequest(
            task_id=await self._task.id(),
            path=_path(path),
            snapshot_id=str(uuid.uuid4()),
            ttl_seconds=-1 if ttl is None else ttl,
            customer_supplied_encryption_key=_experimental_encryption_key,
            container_id=self._task.container_id,
        )
        snapshot = delivered(self._directory_snapshot(request), self._forget)
        return await in_time(self._task.clock, timeout, snapshot, f"a snapshot of {path}")

    async def _directory_snapshot(self, request: router_pb2.TaskSnapshotDirectoryRequest) -> Image:
        response = await self._task.call(
            lambda link: link.router.TaskSnapshotDirectory, request, timeout=None
        )
        return Image.from_id(response.image_id)

    @dual
    async def mount_image(
        self,
        path: PurePosixPath | str,
        image: Image | None,
        *,
        _experimental_encryption_key: bytes | None = None,
    ) -> None:
        """Mount a snapshot of a directory, or the root of another image, at a path, writable.

        Changes stay in this sandbox: the image does not change. What was at that path is hidden
        until `unmount_image`.

        Args:
            path: absolute, and not `/`; made if it does not exist.
            image: what `snapshot_directory` returned, or another; `None` for an empty directory.
            _experimental_encryption_key: that of an encrypted snapshot.

        Raises:
            NotFoundError: there is no such image, or the sandbox is gone.
            InvalidError: the path cannot be a mount point.
            UnimplementedError: the engine mounts no images.
        """
        request = router_pb2.TaskMountDirectoryRequest(
            task_id=await self._task.id(),
            path=_path(path),
            image_id=await image_id(image, self._client) if image is not None else "",
            customer_supplied_encryption_key=_experimental_encryption_key,
            container_id=self._task.container_id,
        )
        await self._task.call(lambda link: link.router.TaskMountDirectory, request)

    @dual
    async def unmount_image(self, path: PurePosixPath | str) -> None:
        """Undo the latest `mount_image` at a path.

        Args:
            path: the one that was given there.

        Raises:
            InvalidError: nothing is mounted there; as `ConflictError`, if it is in use.
            NotFoundError: there is no such path, or the sandbox is gone.
        """
        request = router_pb2.TaskUnmountDirectoryRequest(
            task_id=await self._task.id(),
            path=_path(path),
            container_id=self._task.container_id,
        )
        await self._task.call(lambda link: link.router.TaskUnmountDirectory, request)

    async def _routed_snapshot(self, ttl: int | None) -> Image:
        request = router_pb2.TaskSnapshotFilesystemRequest(
            task_id=await self._task.id(),
            snapshot_id=str(uuid.uuid4()),
            ttl_seconds=-1 if ttl is None else ttl,
            container_id=self._task.container_id,
        )
        response = await self._task.call(
            lambda link: link.router.TaskSnapshotFilesystem, request, timeout=None
        )
        return Image.from_id(response.image_id)

    async def _forget(self, image: Image) -> None:
        await forget_image(image, self._client)


def _path(path: PurePosixPath | str) -> bytes:
    return check_path(str(path)).encode(errors="surrogateescape")
