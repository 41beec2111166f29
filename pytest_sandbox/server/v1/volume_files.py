"""The files of volumes without a sandbox: list, read, upload, copy, remove.

Modal has two versions of most RPCs, for the two versions of its file system; here they do the
same. Contents come and go by HTTP, as `VolumePutFiles2` and `VolumeGetFile2` say, or within
messages, as in `MountPutFile` and `VolumeGetFile`.
"""

import base64
import stat
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager

from google.protobuf.empty_pb2 import Empty

from pytest_sandbox._proto import volumes_pb2 as pb
from pytest_sandbox._shared import relative_path
from pytest_sandbox.engine import Entry, EntryKind

from ..async_helpers import closing
from ..model.state import State
from ..rpc.answers import Room
from ..rpc.call import ServedCall
from ..rpc.errors import invalid, precondition
from ..rpc.handlers import once
from ..volumes.private_copies import committed
from ..volumes.tar_stream import NewFile
from ..volumes.uploads import Upload
from ..volumes.volume_files import CHUNK

#: Bytes that one `VolumeGetFile` returns at most.
_PAGE = 4 * CHUNK
#: Bytes of one message of a listing, and of an entry besides its path.
_LISTED, _ENTRY = 256 * 1024, 50
#: Bytes of a block of a file, but for the last one, and of a name of one, SHA-256.
_BLOCK, _DIGEST = 8 * 1024**2, 32
#: The permissions of a new file.
_MODE = 0o644

_TYPES = {
    EntryKind.FILE: pb.FileEntry.FILE,
    EntryKind.DIRECTORY: pb.FileEntry.DIRECTORY,
    EntryKind.SYMLINK: pb.FileEntry.SYMLINK,
}


class VolumeFileServicer:
    """The RPCs for files of volumes."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._files = state.volume_files
        self._uploads = state.uploads
        self._transfers = state.transfers

    @asynccontextmanager
    async def _volume(self, volume_id: str) -> AsyncIterator[str]:
        """The engine's name of a volume, for a `with` block in which nothing is committed to it."""
        self._state.volumes.check_supported("the files of a volume", self._state.info)
        volume = await self._state.named_volumes.use(volume_id)
        async with committed(self._state.private_copies, volume.id):
            self._state.volumes.get(volume_id)  # it may have been deleted meanwhile
            with _paths_are_checked():
                yield volume.id

    def _changed(self, volume: str) -> None:
        if self._state.lasting_volumes is not None:
            self._state.lasting_volumes.changed(volume)

    # List

    async def VolumeListFiles(
        self, request: pb.VolumeListFilesRequest, call: ServedCall
    ) -> AsyncIterator[pb.VolumeListFilesResponse]:
        """What is in a directory."""
        async for entries in self._list(request, call.room):
            yield pb.VolumeListFilesResponse(entries=entries)

    async def VolumeListFiles2(
        self, request: pb.VolumeListFiles2Request, call: ServedCall
    ) -> AsyncIterator[pb.VolumeListFiles2Response]:
        """What is in a directory."""
        async for entries in self._list(request, call.room):
            yield pb.VolumeListFiles2Response(entries=entries)

    async def _list(
        self, request: pb.VolumeListFilesRequest | pb.VolumeListFiles2Request, room: Room
    ) -> AsyncIterator[list[pb.FileEntry]]:
        batch: list[pb.FileEntry] = []
        left = await room(_LISTED)
        async with closing(self._entries(request)) as entries:
            async for entry in entries:
                batch.append(_file_entry(entry))
                left -= len(batch[-1].path) + _ENTRY
                if left <= 0:
                    yield batch
                    batch = []
                    left = await room(_LISTED)
        if batch:
            yield batch

    async def _entries(
        self, request: pb.VolumeListFilesRequest | pb.VolumeListFiles2Request
    ) -> AsyncIterator[Entry]:
        most = request.max_entries if request.HasField("max_entries") else None
        async with self._volume(request.volume_id) as volume:
            walk = self._files.walk(volume, request.path, recursive=request.recursive)
            async with closing(_first(walk, most)) as entries:
                if self._state.private_copies is None:
                    async for entry in entries:
                        yield entry
                    return
                listed = [entry async for entry in entries]
        # A client may commit before it takes more of a long listing.
        for entry in listed:
            yield entry

    # Read

    async def VolumeGetFile(
        self, request: pb.VolumeGetFileRequest, call: ServedCall
    ) -> pb.VolumeGetFileResponse:
        """Bytes of a file, as many as fit into a message."""
        async with self._volume(request.volume_id) as volume:
            size = await self._files.size(volume, request.path)
            wanted = min(request.len or _PAGE, _PAGE)
            chunks = self._files.read(volume, request.path, request.start, wanted)
            data = b"".join([chunk async for chunk in chunks])
        return pb.VolumeGetFileResponse(data=data, size=size, start=request.start, len=len(data))

    async def VolumeGetFile2(
        self, request: pb.VolumeGetFile2Request, call: ServedCall
    ) -> pb.VolumeGetFile2Response:
        """Where to get bytes of a file."""
        async with self._volume(request.volume_id) as volume:
            size = await self._files.size(volume, request.path)
        start = min(request.start, size)
        length = min(request.len or size, size - start)
        urls = await self._transfers.get_urls(volume, request.path, start, length)
        return pb.VolumeGetFile2Response(get_urls=urls, size=size, start=start, len=length)

    # Upload

    async def MountPutFile(
        self, request: pb.MountPutFileRequest, call: ServedCall
    ) -> pb.MountPutFileResponse:
        """Take a content, or say whether it is here."""
        if request.WhichOneof("data_oneof") == "data":
            upload = Upload()
            upload.write(request.data)
            if upload.digest != request.sha256_hex:
                raise invalid(f"sha256_hex={request.sha256_hex!r} is not that of the data")
            self._uploads.add(upload)
        return pb.MountPutFileResponse(exists=self._uploads.get(request.sha256_hex) is not None)

    async def BlobCreate(
        self, request: pb.BlobCreateRequest, call: ServedCall
    ) -> pb.BlobCreateResponse:
        """Where to put a content that is too large for a message."""
        try:
            digest = base64.b64decode(request.content_sha256_base64, validate=True)
        except ValueError:
            digest = b""
        if len(digest) != _DIGEST:
            raise invalid("content_sha256_base64 is not a SHA-256")
        blob_id = f"bl-{digest.hex()}"
        url = await self._transfers.put_url(digest.hex())
        return pb.BlobCreateResponse(
            blob_id=blob_id,
            blob_ids=[blob_id],
            upload_url=url,
            upload_urls=pb.UploadUrlList(items=[url]),
        )

    @once
    async def VolumePutFiles(self, request: pb.VolumePutFilesRequest, call: ServedCall) -> Empty:
        """Make files of contents that were uploaded."""
        new = [self._new_file(file) for file in request.files]
        await self._write(request, new, {file.sha256_hex for file in request.files})
        return Empty()

    def _new_file(self, file: pb.MountFile) -> NewFile:
        upload = self._uploads.get(file.sha256_hex)
        if upload is None:
            raise precondition(f"the content of {file.filename!r} was not uploaded, or is dropped")
        mode = file.mode if file.HasField("mode") else _MODE
        return NewFile(
            _relative(file.filename), mode, upload.size, _contents([upload], upload.size)
        )

    @once
    async def VolumePutFiles2(
        self, request: pb.VolumePutFiles2Request, call: ServedCall
    ) -> pb.VolumePutFiles2Response:
        """Make files of blocks that were uploaded, or say which ones are missing."""
        missing: dict[str, tuple[int, int]] = {}
        new, digests = [], set()
        for file_index, file in enumerate(request.files):
            uploads = []
            for block_index, block in enumerate(file.blocks):
                if len(block.contents_sha256) != _DIGEST:
                    raise invalid("contents_sha256 is not a SHA-256")
                digest = block.contents_sha256.hex()
                digests.add(digest)
                upload = self._uploads.get(digest)
                if upload is None:
                    missing.setdefault(digest, (file_index, block_index))
                else:
                    uploads.append(upload)
            mode = file.mode if file.HasField("mode") else _MODE
            if file.size > len(file.blocks) * _BLOCK:
                raise invalid(f"{file.path!r} has {file.size} bytes, more than its blocks can have")
            size = max(file.size, sum(upload.size for upload in uploads))
            new.append(NewFile(_relative(file.path), mode, size, _contents(uploads, size)))
        if missing:
            return pb.VolumePutFiles2Response(
                missing_blocks=[
                    pb.VolumePutFiles2Response.MissingBlock(
                        file_index=file_index,
                        block_index=block_index,
                        put_url=await self._transfers.put_url(digest),
                    )
                    for digest, (file_index, block_index) in missing.items()
                ]
            )
        await self._write(request, new, digests)
        return pb.VolumePutFiles2Response()

    async def _write(
        self,
        request: pb.VolumePutFilesRequest | pb.VolumePutFiles2Request,
        new: Sequence[NewFile],
        digests: set[str],
    ) -> None:
        replace = not request.disallow_overwrite_existing_files
        async with self._volume(request.volume_id) as volume:
            await self._files.write(volume, new, replace=replace)
        self._changed(volume)
        self._uploads.used(digests)

    # Remove and copy

    @once
    async def VolumeRemoveFile(
        self, request: pb.VolumeRemoveFileRequest, call: ServedCall
    ) -> Empty:
        """Remove a file or a directory."""
        return await self._remove(request)

    @once
    async def VolumeRemoveFile2(
        self, request: pb.VolumeRemoveFile2Request, call: ServedCall
    ) -> Empty:
        """Remove a file or a directory."""
        return await self._remove(request)

    async def _remove(
        self, request: pb.VolumeRemoveFileRequest | pb.VolumeRemoveFile2Request
    ) -> Empty:
        async with self._volume(request.volume_id) as volume:
            await self._files.remove(volume, request.path, recursive=request.recursive)
        self._changed(volume)
        return Empty()

    @once
    async def VolumeCopyFiles(self, request: pb.VolumeCopyFilesRequest, call: ServedCall) -> Empty:
        """Copy files within a volume."""
        return await self._copy(request)

    @once
    async def VolumeCopyFiles2(
        self, request: pb.VolumeCopyFiles2Request, call: ServedCall
    ) -> Empty:
        """Copy files within a volume."""
        return await self._copy(request)

    async def _copy(self, request: pb.VolumeCopyFilesRequest | pb.VolumeCopyFiles2Request) -> Empty:
        if not request.src_paths:
            raise invalid("src_paths is empty: name what to copy")
        async with self._volume(request.volume_id) as volume:
            await self._files.copy(
                volume, request.src_paths, request.dst_path, recursive=request.recursive
            )
        self._changed(volume)
        return Empty()


@contextmanager
def _paths_are_checked() -> Iterator[None]:
    try:
        yield
    except ValueError as error:
        raise invalid(str(error)) from None


async def _first(entries: AsyncIterator[Entry], most: int | None) -> AsyncIterator[Entry]:
    """As many as `most`; all of them if that is `None`."""
    async with closing(entries):
        if most == 0:
            return
        async for entry in entries:
            yield entry
            if most is not None:
                most -= 1
                if not most:
                    return


def _relative(path: str) -> str:
    with _paths_are_checked():
        return "/".join(relative_path.parts(path.lstrip("/")))


def _contents(uploads: Sequence[Upload], size: int) -> Callable[[], AsyncIterator[bytes]]:
    """The content of a file, of which blocks may lack the zeros that they end with.

    Those of Modal's clients do. Our own client has smaller blocks, which are whole.
    """
    whole = size == sum(upload.size for upload in uploads)

    async def content() -> AsyncIterator[bytes]:
        for number, upload in enumerate(uploads):
            for data in upload.chunks():
                yield data
            lacking = 0 if whole else min(_BLOCK, size - number * _BLOCK) - upload.size
            while lacking > 0:
                yield bytes(min(lacking, CHUNK))
                lacking -= CHUNK

    return content


def _file_entry(entry: Entry) -> pb.FileEntry:
    kind = _TYPES.get(entry.kind, pb.FileEntry.UNSPECIFIED)
    if stat.S_ISFIFO(entry.mode):
        kind = pb.FileEntry.FIFO
    elif stat.S_ISSOCK(entry.mode):
        kind = pb.FileEntry.SOCKET
    # Names that are not UTF-8 cannot be in a message; nor can times before 1970.
    path = entry.path.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    mtime = max(0, entry.mtime_ns // 10**9)
    return pb.FileEntry(path=path, type=kind, mtime=mtime, size=entry.size)
