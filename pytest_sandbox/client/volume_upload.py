"""Files that are uploaded to a volume together."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from pytest_sandbox._proto import volumes_pb2 as pb
from pytest_sandbox._shared.lazy_dataclass import dataclass
from pytest_sandbox._shared.pickling import Unpicklable

from .exceptions import AlreadyExistsError, ExecutionError
from .files.pack import check_folder
from .transport.dual import dual

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import IO

    from .base_client import BaseClient
    from .volume_reference import VolumeReference

__tracebackhide__ = True  # a failing test shows the caller's line, not these

#: Bytes in one message.
_BLOCK = 2 * 1024**2
#: Seconds that the server may take to write the files, as at Modal.
_TIMEOUT = 3600.0
_MODE = 0o644


@dataclass(frozen=True)
class _LocalFile:
    """A file to upload."""

    local: str | os.PathLike[str] | IO[bytes]
    remote: str
    mode: int | None

    @contextlib.contextmanager
    def opened(self) -> Iterator[tuple[IO[bytes], int]]:
        """The content from its beginning, and the permissions for it."""
        if isinstance(self.local, (str, os.PathLike)):
            with open(self.local, "rb") as file:
                yield file, self.mode or os.fstat(file.fileno()).st_mode & 0o7777
        else:
            self.local.seek(0)
            yield self.local, self.mode or _MODE


class VolumeUpload(Unpicklable):
    """Files for a volume, which gets them at the end of a `with` or an `async with`.

    If the block ends with an error, nothing is uploaded. Made by `Volume.batch_upload`.

    Args:
        reference: to the volume.
        force: whether to replace files that are there.
    """

    instead = "make another one with Volume.batch_upload()"

    def __init__(self, reference: VolumeReference, *, force: bool) -> None:
        self._reference = reference
        self._force = force
        self._sources: list[_LocalFile] = []

    def put_file(
        self,
        local_file: str | os.PathLike[str] | IO[bytes],
        remote_path: str | os.PathLike[str],
        mode: int | None = None,
    ) -> None:
        """Upload a file. Directories above it are made.

        Args:
            local_file: its path, or an open file, which is read from its beginning at the end of
                the block.
            remote_path: its path in the volume.
            mode: its permissions; those of the local file if not given, or 0o644 for an open file.

        Raises:
            ValueError: `remote_path` ends with a slash.
        """
        self._sources.append(_LocalFile(local_file, _remote(remote_path), mode))

    def put_directory(
        self,
        local_path: str | os.PathLike[str],
        remote_path: str | os.PathLike[str],
        recursive: bool = True,
    ) -> None:
        """Upload the files in a directory. What is no file, and has none in it, is left out.

        Args:
            local_path: the directory.
            remote_path: where they go in the volume.
            recursive: upload those in directories below it too.

        Raises:
            FileNotFoundError, NotADirectoryError: there is no such directory.
        """
        folder = Path(check_folder(local_path))
        for path in sorted(folder.rglob("*") if recursive else folder.glob("*")):
            if path.is_file():
                remote = PurePosixPath(remote_path, path.relative_to(folder).as_posix())
                self._sources.append(_LocalFile(path, remote.as_posix(), None))

    @dual
    async def __enter__(self) -> VolumeUpload:
        return self

    @dual
    async def __exit__(self, kind: object, error: object, traceback: object) -> None:
        await self._end(error)

    async def __aenter__(self) -> VolumeUpload:
        return self

    async def __aexit__(self, kind: object, error: object, traceback: object) -> None:
        await self.__exit__.aio(kind, error, traceback)

    async def _end(self, error: object) -> None:
        sources, self._sources = self._sources, []
        if error is not None or not sources:
            return
        client, volume_id = await self._reference.look_up()
        try:
            if await client.calls.in_cloud():
                await self._put_in_cloud(client, volume_id, sources)
            else:
                await self._put(client, volume_id, sources)
        except AlreadyExistsError as error:
            raise FileExistsError(str(error)) from None

    async def _put(self, client: BaseClient, volume_id: str, sources: list[_LocalFile]) -> None:
        request = pb.VolumePutFiles2Request(
            volume_id=volume_id,
            files=[await _uploaded(client, source) for source in sources],
            disallow_overwrite_existing_files=not self._force,
        )
        response = await client.calls.control(
            lambda link: link.control.VolumePutFiles2, request, timeout=_TIMEOUT
        )
        if response.missing_blocks:
            raise ExecutionError("the server has dropped parts of this upload: upload less at once")

    async def _put_in_cloud(
        self, client: BaseClient, volume_id: str, sources: list[_LocalFile]
    ) -> None:
        from .files import cloud_volume  # late: other servers have no use for it

        put = cloud_volume.put_files
        if (await self._reference.metadata()).version == pb.VOLUME_FS_VERSION_V2:
            put = cloud_volume.put_blocks
        files = [(source.remote, source.opened) for source in sources]
        await put(client, volume_id, files, force=self._force)


async def _uploaded(client: BaseClient, source: _LocalFile) -> pb.VolumePutFiles2Request.File:
    """What says of a file which blocks it has; these are on the server already."""
    blocks: list[Any] = []
    size = 0
    with source.opened() as (file, mode):
        while data := await asyncio.to_thread(file.read, _BLOCK):
            digest = hashlib.sha256(data)
            request = pb.MountPutFileRequest(sha256_hex=digest.hexdigest(), data=data)
            await client.calls.control(lambda link: link.control.MountPutFile, request)
            blocks.append(pb.VolumePutFiles2Request.Block(contents_sha256=digest.digest()))
            size += len(data)
    return pb.VolumePutFiles2Request.File(path=source.remote, size=size, blocks=blocks, mode=mode)


def _remote(path: str | os.PathLike[str]) -> str:
    text = os.fspath(path)
    if text.endswith("/"):
        raise ValueError(f"remote_path={text!r} ends with a slash: it is the path of a file")
    return PurePosixPath(text).as_posix()
