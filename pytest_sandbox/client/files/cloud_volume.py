"""The files of a volume in Modal's cloud, where contents go over HTTP.

A volume of version 1 takes whole files, which are uploaded as those of images are. One of version 2
takes blocks, without the zeros that they end with, and says which of them it lacks. Contents of
both come in blocks.
"""

from __future__ import annotations

import asyncio
import hashlib
import io
from typing import TYPE_CHECKING

from pytest_sandbox._proto import volumes_pb2 as pb

from ..exceptions import ExecutionError
from ..transport import web
from ..transport.retries import CONTROL
from .uploads import LocalContent, upload

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Sequence
    from contextlib import AbstractContextManager
    from typing import IO

    from ..base_client import BaseClient

    #: Opens a file that is to be uploaded: its content, and its permissions.
    Opened = Callable[[], AbstractContextManager[tuple[IO[bytes], int]]]

__tracebackhide__ = True  # a failing test shows the caller's line, not these

#: Bytes of a block, but for the last one of a file.
BLOCK = 8 * 1024**2
#: Seconds that the server may take to write the files.
_TIMEOUT = 3600.0


async def put_files(
    client: BaseClient, volume_id: str, files: Sequence[tuple[str, Opened]], *, force: bool
) -> None:
    """Write files to a volume of version 1.

    Args:
        client: of the server.
        volume_id: the volume.
        files: their paths in it, and what opens them.
        force: replace files that are there.

    Raises:
        AlreadyExistsError: one is there.
    """
    request = pb.VolumePutFilesRequest(
        volume_id=volume_id, disallow_overwrite_existing_files=not force
    )
    for path, opened in files:
        with opened() as (file, mode):
            content = await asyncio.to_thread(LocalContent.of, file)
            file.seek(0)
            await upload(client, file, content)
        request.files.add(filename=path, sha256_hex=content.sha256.hex(), mode=mode)
    await client.calls.control(lambda link: link.control.VolumePutFiles, request, timeout=_TIMEOUT)


async def put_blocks(
    client: BaseClient, volume_id: str, files: Sequence[tuple[str, Opened]], *, force: bool
) -> None:
    """The same, of version 2.

    Raises:
        AlreadyExistsError: a file is there.
        ExecutionError: the server does not find what it was sent.
    """
    request = pb.VolumePutFiles2Request(
        volume_id=volume_id,
        files=[await asyncio.to_thread(_in_blocks, path, opened) for path, opened in files],
        disallow_overwrite_existing_files=not force,
    )
    for _ in range(2):
        response = await client.calls.control(
            lambda link: link.control.VolumePutFiles2, request, timeout=_TIMEOUT
        )
        if not response.missing_blocks:
            return
        answers: dict[bytes, bytes] = {}
        for missing in response.missing_blocks:
            _, opened = files[missing.file_index]
            data = await asyncio.to_thread(_block, opened, missing.block_index)
            block = request.files[missing.file_index].blocks[missing.block_index]
            body = web.Segment(io.BytesIO(data), 0, len(data))
            answer = await web.put(client.calls.clock, missing.put_url, body)
            answers[block.contents_sha256] = answer.content
        for block in (block for file in request.files for block in file.blocks):
            if block.contents_sha256 in answers:
                block.put_response = answers[block.contents_sha256]
    raise ExecutionError("the server does not find what was uploaded: did the files change?")


async def read(client: BaseClient, volume_id: str, path: str) -> AsyncGenerator[bytes, None]:
    """The content of a file, block by block.

    Raises:
        NotFoundError: there is none.
        ServiceError: a block did not come.
    """
    request = pb.VolumeGetFile2Request(volume_id=volume_id, path=path)
    response = await client.calls.control(lambda link: link.control.VolumeGetFile2, request)
    for url in response.get_urls:
        if data := await web.get(client.calls.clock, url):
            yield data


async def listed(client: BaseClient, request: pb.VolumeListFilesRequest) -> list[pb.FileEntry]:
    """What is in a directory of a volume of version 2."""
    second = pb.VolumeListFiles2Request(
        volume_id=request.volume_id, path=request.path, recursive=request.recursive
    )
    messages = await client.calls.whole_stream(
        lambda link: link.control.VolumeListFiles2, second, CONTROL
    )
    return [entry for message in messages for entry in message.entries]


async def remove(client: BaseClient, request: pb.VolumeRemoveFileRequest) -> None:
    """Remove a file of a volume of version 2.

    Raises:
        NotFoundError: there is none.
    """
    second = pb.VolumeRemoveFile2Request(
        volume_id=request.volume_id, path=request.path, recursive=request.recursive
    )
    await client.calls.control(lambda link: link.control.VolumeRemoveFile2, second)


async def copy(client: BaseClient, request: pb.VolumeCopyFilesRequest) -> None:
    """Copy files within a volume of version 2.

    Raises:
        NotFoundError: one is not there.
    """
    second = pb.VolumeCopyFiles2Request(
        volume_id=request.volume_id,
        src_paths=request.src_paths,
        dst_path=request.dst_path,
        recursive=request.recursive,
    )
    await client.calls.control(lambda link: link.control.VolumeCopyFiles2, second)


def _in_blocks(path: str, opened: Opened) -> pb.VolumePutFiles2Request.File:
    found = pb.VolumePutFiles2Request.File(path=path)
    with opened() as (file, mode):
        found.mode = mode
        while data := file.read(BLOCK):
            found.blocks.add(contents_sha256=hashlib.sha256(data.rstrip(b"\0")).digest())
            found.size += len(data)
    return found


def _block(opened: Opened, number: int) -> bytes:
    with opened() as (file, _):
        file.seek(number * BLOCK)
        return file.read(BLOCK).rstrip(b"\0")
