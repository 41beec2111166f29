"""Contents of files that a server stores, to be named by their digests."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from typing import TYPE_CHECKING

from pytest_sandbox._proto import volumes_pb2 as pb
from pytest_sandbox._shared.lazy_dataclass import dataclass

from ..exceptions import UnimplementedError
from ..transport import web

if TYPE_CHECKING:
    from typing import IO

    from ..base_client import BaseClient

__tracebackhide__ = True  # a failing test shows the caller's line, not these

#: Bytes of a content that fits into a message; more goes over HTTP.
_MESSAGE = 4 * 1024**2
_CHUNK = 1024**2


@dataclass(frozen=True)
class LocalContent:
    """What a file contains.

    Attributes:
        sha256: its digest.
        size: its bytes.
    """

    sha256: bytes
    size: int

    @classmethod
    def of(cls, file: IO[bytes]) -> LocalContent:
        """That of a file, from where it is read on."""
        digest, size = hashlib.sha256(), 0
        while data := file.read(_CHUNK):
            digest.update(data)
            size += len(data)
        return cls(digest.digest(), size)


async def upload(client: BaseClient, file: IO[bytes], content: LocalContent) -> None:
    """Have the server store a content.

    Args:
        client: of the server.
        file: what it is in, to be read from its beginning.
        content: it.

    Raises:
        UnimplementedError: it is so large that the server wants it in parts.
        ServiceError: it was not taken.
    """
    put = pb.MountPutFileRequest(sha256_hex=content.sha256.hex())
    if content.size <= _MESSAGE:
        put.data = await asyncio.to_thread(file.read)
    else:
        put.data_blob_id = await _blob(client, file, content)
    await client.calls.control(lambda link: link.control.MountPutFile, put)


async def _blob(client: BaseClient, file: IO[bytes], content: LocalContent) -> str:
    """The id of a content that was sent over HTTP."""
    md5 = base64.b64encode(await asyncio.to_thread(_md5, file)).decode()
    request = pb.BlobCreateRequest(
        content_md5=md5,
        content_sha256_base64=base64.b64encode(content.sha256).decode(),
        content_length=content.size,
    )
    blob = await client.calls.control(lambda link: link.control.BlobCreate, request)
    if not blob.upload_urls.items:
        raise UnimplementedError(
            f"a file of {content.size} bytes has to be sent in parts, which is not implemented: "
            "write it to a volume by a program in a sandbox"
        )
    await web.put(
        blob.upload_urls.items[0],
        file,
        content.size,
        Content_MD5=md5,
        Content_Type="application/octet-stream",
    )
    return blob.blob_ids[0]


def _md5(file: IO[bytes]) -> bytes:
    digest = hashlib.md5(usedforsecurity=False)
    while data := file.read(_CHUNK):
        digest.update(data)
    file.seek(0)
    return digest.digest()
