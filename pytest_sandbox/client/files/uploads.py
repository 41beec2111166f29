"""Contents of files that a server stores, to be named by their digests."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from typing import TYPE_CHECKING

from pytest_sandbox._proto import volumes_pb2 as pb
from pytest_sandbox._shared.lazy_dataclass import dataclass

from ..exceptions import ServiceError
from ..transport import web

if TYPE_CHECKING:
    from collections.abc import Awaitable
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
        ServiceError: it was not taken.
    """
    put = pb.MountPutFileRequest(sha256_hex=content.sha256.hex())
    if content.size <= _MESSAGE:
        put.data = await asyncio.to_thread(file.read)
    else:
        put.data_blob_id = await _blob(client, file, content)
    await client.calls.control(lambda link: link.control.MountPutFile, put)


async def _blob(client: BaseClient, file: IO[bytes], content: LocalContent) -> str:
    """The id of a content that was sent over HTTP: in one piece, or in parts as the server wants.

    It may give several addresses, of which the first is used that works.
    """
    md5 = base64.b64encode(await asyncio.to_thread(_md5, file)).decode()
    request = pb.BlobCreateRequest(
        content_md5=md5,
        content_sha256_base64=base64.b64encode(content.sha256).decode(),
        content_length=content.size,
    )
    blob = await client.calls.control(lambda link: link.control.BlobCreate, request)
    addresses: list[str | pb.MultiPartUpload] = [
        *blob.multiparts.items,
        *blob.upload_urls.items,
    ]
    failure = ServiceError(f"the server gave no address for a content of {content.size} bytes")
    for address, blob_id in zip(addresses, blob.blob_ids, strict=False):
        if isinstance(address, str):
            sending = _in_one_piece(client, file, content, address, md5)
        else:
            sending = _in_parts(client, file, content, address)
        if (error := await _failure(sending)) is None:
            return blob_id
        failure = error
    raise failure


async def _failure(sending: Awaitable[None]) -> ServiceError | None:
    try:
        await sending
    except ServiceError as error:
        return error
    return None


async def _in_one_piece(
    client: BaseClient, file: IO[bytes], content: LocalContent, url: str, md5: str
) -> None:
    await web.put(
        client.calls.clock,
        url,
        web.Segment(file, 0, content.size),
        Content_MD5=md5,  # by which the server checks it
        Content_Type="application/octet-stream",
    )


async def _in_parts(
    client: BaseClient, file: IO[bytes], content: LocalContent, address: pb.MultiPartUpload
) -> None:
    """Send one part after another, and have the server join them: as S3 has it.

    https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompleteMultipartUpload.html
    """
    size, urls = address.part_length, address.upload_urls
    if size * len(urls) < content.size:
        raise ServiceError(
            f"the server wants a content of {content.size} bytes in {len(urls)} parts of {size}"
        )
    digests: list[bytes] = []
    for number, url in enumerate(urls):
        part = web.Segment(file, number * size, min(size, content.size - number * size))
        if part.size <= 0:
            break
        answer = await web.put(client.calls.clock, url, part)
        if answer.etag != part.md5.hex():
            raise _changed(f"part {number + 1} has the MD5 {part.md5.hex()}, not {answer.etag!r}")
        digests.append(part.md5)
    listed = "\n".join(
        f'<Part>\n<PartNumber>{number}</PartNumber>\n<ETag>"{digest.hex()}"</ETag>\n</Part>'
        for number, digest in enumerate(digests, 1)
    )
    body = f"<CompleteMultipartUpload>\n{listed}\n</CompleteMultipartUpload>"
    said = (await web.post(address.completion_url, body.encode())).decode("utf-8", "replace")
    joined = hashlib.md5(b"".join(digests), usedforsecurity=False).hexdigest()
    if f"{joined}-{len(digests)}" not in said:
        raise _changed(f"its {len(digests)} parts together are answered by {said[:500]!r}")


def _changed(how: str) -> ServiceError:
    return ServiceError(
        f"what was uploaded is not what the server has: {how}. Did the file change?"
    )


def _md5(file: IO[bytes]) -> bytes:
    digest = hashlib.md5(usedforsecurity=False)
    while data := file.read(_CHUNK):
        digest.update(data)
    file.seek(0)
    return digest.digest()
