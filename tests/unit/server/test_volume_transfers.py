"""Contents of files over HTTP, and what becomes of uploads."""

import asyncio
import base64
import hashlib
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import pytest
import pytest_asyncio
from grpclib import Status

from pytest_sandbox._proto import common_pb2
from pytest_sandbox._proto import volumes_pb2 as pb
from pytest_sandbox.server.volumes.uploads import Upload, Uploads

from .harness import Harness, refused, serve

pytestmark = pytest.mark.asyncio

CREATE = common_pb2.OBJECT_CREATION_TYPE_CREATE_IF_MISSING


@pytest_asyncio.fixture
async def server() -> AsyncIterator[Harness]:
    async with serve() as harness:
        yield harness


async def volume(server: Harness) -> str:
    request = pb.VolumeGetOrCreateRequest(deployment_name="data", object_creation_type=CREATE)
    return (await server.control.VolumeGetOrCreate(request)).volume_id


class Connection:
    """A connection to the server of one address."""

    def __init__(self, url: str) -> None:
        self._url = urlsplit(url)

    async def open(self) -> "Connection":
        self.reader, self.writer = await asyncio.open_connection(self._url.hostname, self._url.port)
        return self

    async def ask(
        self, method: str, path: str = "", head: str = "", body: bytes = b""
    ) -> tuple[int, bytes]:
        """The status and the body of a response."""
        first = f"{method} {path or self._url.path} HTTP/1.1\r\nHost: x\r\n{head}\r\n"
        self.writer.write(first.encode() + body)
        answer = (await self.reader.readuntil(b"\r\n\r\n")).decode()
        (length,) = (
            int(line.partition(":")[2])
            for line in answer.split("\r\n")
            if line.startswith("Content-Length:")
        )
        return int(answer.split(" ")[1]), await self.reader.readexactly(length)


async def put_url(server: Harness, content: bytes) -> str:
    digest = base64.b64encode(hashlib.sha256(content).digest()).decode()
    request = pb.BlobCreateRequest(content_sha256_base64=digest, content_length=len(content))
    return (await server.control.BlobCreate(request)).upload_urls.items[0]


async def exists(server: Harness, content: bytes) -> bool:
    request = pb.MountPutFileRequest(sha256_hex=hashlib.sha256(content).hexdigest())
    return (await server.control.MountPutFile(request)).exists


async def test_a_content_is_put_and_got_on_one_connection(server: Harness) -> None:
    content = b"content" * 100_000
    url = await put_url(server, content)
    assert not await exists(server, content)
    connection = await Connection(url).open()
    status, _ = await connection.ask(
        "PUT", head=f"Content-Length: {len(content)}\r\n", body=content
    )
    assert (status, await exists(server, content)) == (200, True)

    volume_id = await volume(server)
    file = pb.MountFile(filename="/d/f", sha256_hex=hashlib.sha256(content).hexdigest())
    await server.control.VolumePutFiles(pb.VolumePutFilesRequest(volume_id=volume_id, files=[file]))
    wanted = pb.VolumeGetFile2Request(volume_id=volume_id, path="d/f", start=3, len=9)
    found = await server.control.VolumeGetFile2(wanted)
    assert (found.size, found.start, found.len) == (len(content), 3, 9)
    assert await connection.ask("GET", urlsplit(found.get_urls[0]).path) == (200, content[3:12])
    connection.writer.close()


async def test_a_body_may_come_in_chunks(server: Harness) -> None:
    connection = await Connection(await put_url(server, b"abcde")).open()
    body = b"2\r\nab\r\n3;x=y\r\ncde\r\n0\r\n\r\n"
    status, _ = await connection.ask("PUT", head="Transfer-Encoding: chunked\r\n", body=body)
    assert (status, await exists(server, b"abcde")) == (200, True)
    connection.writer.close()


@pytest.mark.parametrize(
    ("method", "change", "head", "status"),
    [
        ("PUT", "x", "", 403),  # another signature
        ("GET", "", "", 403),  # of another method
        ("POST", "", "", 405),
        ("PUT", "", "Content-Length: 1\r\n", 400),  # not what it is the address of
        ("PUT", "", "Content-Length: -1\r\n", 400),
        ("PUT", "", "Content-Length: many\r\n", 400),
    ],
)
async def test_other_requests_are_refused(
    server: Harness, method: str, change: str, head: str, status: int
) -> None:
    url = await put_url(server, b"abcde")
    connection = await Connection(url).open()
    path = urlsplit(url).path + change
    assert (await connection.ask(method, path, head, b"x"))[0] == status
    assert await connection.reader.read() == b""
    assert not await exists(server, b"abcde")
    connection.writer.close()


@pytest.mark.parametrize("path", ["/", "/volumes/", "/volumes/x/y", "/volumes/\xe9/"])
async def test_addresses_that_were_not_given_out_are_refused(server: Harness, path: str) -> None:
    connection = await Connection(await put_url(server, b"x")).open()
    assert (await connection.ask("PUT", path))[0] == 403
    connection.writer.close()


@pytest.mark.parametrize("garbage", [b"\x16\x03\x01\r\n\r\n", b"x" * 100_000, b"GET /"])
async def test_what_is_not_http_ends_the_connection(server: Harness, garbage: bytes) -> None:
    connection = await Connection(await put_url(server, b"x")).open()
    connection.writer.write(garbage)
    connection.writer.write_eof()
    await asyncio.wait_for(connection.reader.read(), 5)
    connection.writer.close()


async def test_a_file_that_is_gone_is_not_found(server: Harness) -> None:
    volume_id = await volume(server)
    data = pb.MountPutFileRequest(sha256_hex=hashlib.sha256(b"x").hexdigest(), data=b"x")
    await server.control.MountPutFile(data)
    file = pb.MountFile(filename="f", sha256_hex=data.sha256_hex)
    await server.control.VolumePutFiles(pb.VolumePutFilesRequest(volume_id=volume_id, files=[file]))
    found = await server.control.VolumeGetFile2(
        pb.VolumeGetFile2Request(volume_id=volume_id, path="f")
    )
    await server.control.VolumeRemoveFile(pb.VolumeRemoveFileRequest(volume_id=volume_id, path="f"))
    connection = await Connection(found.get_urls[0]).open()
    assert (await connection.ask("GET"))[0] == 404
    connection.writer.close()


async def test_what_was_not_uploaded_is_refused_or_asked_for(server: Harness) -> None:
    volume_id = await volume(server)
    missing = hashlib.sha256(b"missing")
    with refused(Status.FAILED_PRECONDITION, "'f' was not uploaded"):
        file = pb.MountFile(filename="f", sha256_hex=missing.hexdigest())
        await server.control.VolumePutFiles(
            pb.VolumePutFilesRequest(volume_id=volume_id, files=[file])
        )
    block = pb.VolumePutFiles2Request.Block(contents_sha256=missing.digest())
    two = [pb.VolumePutFiles2Request.File(path=path, blocks=[block]) for path in "ab"]
    answer = await server.control.VolumePutFiles2(
        pb.VolumePutFiles2Request(volume_id=volume_id, files=two)
    )
    assert [(each.file_index, each.block_index) for each in answer.missing_blocks] == [(0, 0)]
    with refused(Status.INVALID_ARGUMENT, "not that of the data"):
        await server.control.MountPutFile(pb.MountPutFileRequest(sha256_hex="x", data=b"x"))
    with refused(Status.INVALID_ARGUMENT, "not a SHA-256"):
        await server.control.BlobCreate(pb.BlobCreateRequest(content_sha256_base64="eA=="))
    with refused(Status.INVALID_ARGUMENT, "not a SHA-256"):
        block = pb.VolumePutFiles2Request.Block(contents_sha256=b"x")
        file2 = pb.VolumePutFiles2Request.File(path="a", blocks=[block])
        await server.control.VolumePutFiles2(
            pb.VolumePutFiles2Request(volume_id=volume_id, files=[file2])
        )


BLOCK = 8 * 1024**2


@pytest.mark.parametrize(
    ("blocks", "size"),
    [
        ((b"a", b"b"), BLOCK + 3),
        ((b"", b"b"), BLOCK + 1),
        ((b"a", b""), BLOCK + 5),
        ((b"", b""), 2 * BLOCK),
        ((b"ab", b"cd"), 4),  # of our own client, which has other blocks
        ((b"ab",), 0),
    ],
)
async def test_blocks_come_without_the_zeros_that_they_end_with(
    server: Harness, blocks: tuple[bytes, ...], size: int
) -> None:
    volume_id = await volume(server)
    for data in blocks:
        digest = hashlib.sha256(data).hexdigest()
        await server.control.MountPutFile(pb.MountPutFileRequest(sha256_hex=digest, data=data))
    file = pb.VolumePutFiles2Request.File(path="file", size=size)
    for data in blocks:
        file.blocks.add(contents_sha256=hashlib.sha256(data).digest())
    request = pb.VolumePutFiles2Request(volume_id=volume_id, files=[file])
    assert not (await server.control.VolumePutFiles2(request)).missing_blocks

    whole = b"".join(blocks)
    if size > len(whole):
        whole = b"".join(data.ljust(BLOCK, b"\0") for data in blocks)[:size]
    got = await server.control.VolumeGetFile(
        pb.VolumeGetFileRequest(volume_id=volume_id, path="file", start=max(0, size - 100))
    )
    first = await server.control.VolumeGetFile(
        pb.VolumeGetFileRequest(volume_id=volume_id, path="file", len=100)
    )
    assert (got.size, got.data) == (len(whole), whole[max(0, size - 100) :])
    assert first.data == whole[:100]


async def test_a_file_is_no_larger_than_its_blocks(server: Harness) -> None:
    volume_id = await volume(server)
    digest = hashlib.sha256(b"a").digest()
    await server.control.MountPutFile(pb.MountPutFileRequest(sha256_hex=digest.hex(), data=b"a"))
    block = pb.VolumePutFiles2Request.Block(contents_sha256=digest)
    file = pb.VolumePutFiles2Request.File(path="file", size=BLOCK + 1, blocks=[block])
    with refused(Status.INVALID_ARGUMENT, "more than its blocks can have"):
        await server.control.VolumePutFiles2(
            pb.VolumePutFiles2Request(volume_id=volume_id, files=[file])
        )


def uploaded(content: bytes) -> Upload:
    upload = Upload()
    upload.write(content)
    return upload


async def test_old_uploads_are_dropped_for_new_ones() -> None:
    uploads = Uploads(most=10, most_used=4)
    contents = [uploaded(b"%d" % number * 4) for number in range(3)]
    for upload in contents:
        uploads.add(upload)
    assert [uploads.get(upload.digest) is not None for upload in contents] == [False, True, True]

    uploads.used([upload.digest for upload in contents])
    assert [uploads.get(upload.digest) is not None for upload in contents] == [False, False, True]
