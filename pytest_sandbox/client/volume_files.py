"""The files of a volume, without a sandbox that has it."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from pytest_sandbox._proto import volumes_pb2 as pb

from .exceptions import InvalidError, NotFoundError
from .file_entry import FileEntry, FileEntryType
from .transport.dual import dual, dual_iterator
from .transport.retries import CONTROL
from .validation import check_list
from .volume_upload import VolumeUpload

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
    from typing import IO, Any

    from .base_client import BaseClient
    from .volume_reference import VolumeReference

__tracebackhide__ = True  # a failing test shows the caller's line, not these


class VolumeFileMethods:
    """The methods of a volume for its files.

    Paths are relative to the root of the volume, whether they begin with a slash or not. Symbolic
    links are listed, and never followed.
    """

    reference: VolumeReference

    @dual_iterator
    async def iterdir(
        self, path: str, *, recursive: bool = True
    ) -> AsyncGenerator[FileEntry, None]:
        """What is in a directory, sorted by name; of a file, only its own entry.

        Args:
            path: the directory.
            recursive: give what is in directories below it too.

        Raises:
            InvalidError: the path leads through a file or a link, or out of the volume.
            NotFoundError: there is no such file, or no such volume.
        """
        client, volume_id = await self.reference.look_up()
        _check_no_pattern(path)
        request = pb.VolumeListFilesRequest(volume_id=volume_id, path=path, recursive=recursive)
        if await self._second(client):
            from .files import cloud_volume

            entries = await cloud_volume.listed(client, request)
        else:
            messages = await client.calls.whole_stream(
                lambda link: link.control.VolumeListFiles, request, CONTROL
            )
            entries = [entry for message in messages for entry in message.entries]
        for entry in entries:
            yield FileEntry(entry.path, FileEntryType(entry.type), entry.mtime, entry.size)

    @dual
    async def listdir(self, path: str, *, recursive: bool = False) -> list[FileEntry]:
        """What is in a directory, as `iterdir` has it.

        Args:
            path: the directory.
            recursive: give what is in directories below it too.

        Raises:
            InvalidError: the path leads through a file or a link, or out of the volume.
            NotFoundError: there is no such file, or no such volume.
        """
        entries = VolumeFileMethods.iterdir.core(self, path, recursive=recursive)
        return [entry async for entry in entries]

    @dual_iterator
    async def read_file(self, path: str) -> AsyncGenerator[bytes, None]:
        """The content of a file, some bytes at a time.

        Args:
            path: of the file.

        Raises:
            FileNotFoundError: there is none.
            InvalidError: it is a directory or a link.
            NotFoundError: there is no such volume.
        """
        client, volume_id = await self.reference.look_up()
        if await client.calls.in_cloud():
            from .files import cloud_volume  # late: other servers have no use for it

            with _file_not_found():
                async for data in cloud_volume.read(client, volume_id, path):
                    yield data
            return
        request = pb.VolumeGetFileRequest(volume_id=volume_id, path=path)
        while True:
            with _file_not_found():
                part = await client.calls.control(lambda link: link.control.VolumeGetFile, request)
            if part.data:
                yield part.data
            request.start += len(part.data)
            if not part.data or request.start >= part.size:
                return

    @dual
    async def read_file_into_fileobj(
        self,
        path: str,
        fileobj: IO[bytes],
        progress_cb: Callable[..., Any] | None = None,
    ) -> int:
        """Write the content of a file into another one.

        Args:
            path: of the file.
            fileobj: where to write it.
            progress_cb: called with `advance=`, the number of bytes, after each part.

        Returns:
            The number of bytes.

        Raises:
            FileNotFoundError: there is none.
            InvalidError: it is a directory or a link.
            NotFoundError: there is no such volume.
        """
        size = 0
        async with contextlib.aclosing(VolumeFileMethods.read_file.core(self, path)) as parts:
            async for data in parts:
                fileobj.write(data)
                size += len(data)
                if progress_cb is not None:
                    progress_cb(advance=len(data))
        return size

    @dual
    async def remove_file(self, path: str, recursive: bool = False) -> None:
        """Remove a file, or a directory with all that is in it.

        Args:
            path: what to remove; of a link, not what it leads to.
            recursive: whether it may be a directory.

        Raises:
            FileNotFoundError: there is none.
            InvalidError: it is a directory, without `recursive`; or the volume is `read_only()`.
            ConflictError: it is the root.
            NotFoundError: there is no such volume.
        """
        self._check_writable()
        client, volume_id = await self.reference.look_up()
        request = pb.VolumeRemoveFileRequest(volume_id=volume_id, path=path, recursive=recursive)
        with _file_not_found():
            if await self._second(client):
                from .files import cloud_volume

                await cloud_volume.remove(client, request)
                return
            await client.calls.control(lambda link: link.control.VolumeRemoveFile, request)

    @dual
    async def copy_files(
        self, src_paths: Sequence[str], dst_path: str, recursive: bool = False
    ) -> None:
        """Copy files within the volume, as `cp` does.

        Args:
            src_paths: what to copy.
            dst_path: a directory that is there, for copies of the same names; otherwise the new
                name of the only file.
            recursive: whether directories may be copied; only of a volume of `version=2`.

        Raises:
            InvalidError: a directory without `recursive`, or into itself; several files that are
                not for a directory; `src_paths` is no list; or the volume is `read_only()`.
            NotFoundError: there is no such file, or no such volume.
            ValueError: `recursive`, and the volume is not of `version=2`.
        """
        self._check_writable()
        check_list("src_paths", src_paths, "paths")
        client, volume_id = await self.reference.look_up()
        metadata = await self.reference.metadata()
        if recursive and metadata.version != pb.VOLUME_FS_VERSION_V2:
            raise ValueError(
                f"recursive=True: {self!r} is not of version 2, and Modal refuses that: say "
                "version=2 where the volume is made"
            )
        request = pb.VolumeCopyFilesRequest(
            volume_id=volume_id, src_paths=src_paths, dst_path=dst_path, recursive=recursive
        )
        if await self._second(client):
            from .files import cloud_volume

            await cloud_volume.copy(client, request)
            return
        await client.calls.control(lambda link: link.control.VolumeCopyFiles, request)

    @dual
    async def batch_upload(self, force: bool = False) -> VolumeUpload:
        """Upload files: those that are put into it in a `with` block, at the end of the block.

        Args:
            force: replace files that are there. A directory is never replaced.

        Raises:
            InvalidError: the volume is `read_only()`.
        """
        self._check_writable()
        return VolumeUpload(self.reference, force=force)

    async def _second(self, client: BaseClient) -> bool:
        """Whether Modal has other calls for it: it is of version 2, and in the cloud."""
        if not await client.calls.in_cloud():
            return False
        return (await self.reference.metadata()).version == pb.VOLUME_FS_VERSION_V2

    def _check_writable(self) -> None:
        if self.reference.read_only:
            raise InvalidError(f"{self!r} can only be read")


def _check_no_pattern(path: str) -> None:
    if path.endswith("*"):
        raise InvalidError(f"{path!r}: patterns are not understood, as at Modal; say recursive=")


@contextlib.contextmanager
def _file_not_found() -> Iterator[None]:
    """Raise `FileNotFoundError` for a file that is not there, as Modal does."""
    try:
        yield
    except NotFoundError as error:
        raise FileNotFoundError(str(error)) from None
