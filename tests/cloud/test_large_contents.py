"""Contents that are too large for a message: whole, or in parts where the cloud wants that."""

import asyncio
import hashlib
import io
import itertools
import os
import socket
import sys
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pytest_sandbox._proto.volumes_pb2 import BlobCreateResponse
from pytest_sandbox._shared.network.http_proxy import connect_through
from pytest_sandbox.client import Image, Sandbox, Volume
from pytest_sandbox.client.exceptions import ServiceError
from pytest_sandbox.client.files import uploads
from pytest_sandbox.client.files.uploads import LocalContent
from pytest_sandbox.client.transport import portal, web
from pytest_sandbox.engine import SystemClock

from ..support.cloud import CloudOptions
from ..support.cloud.between import between

PART = 2 * 1024**2
CONTENT = bytes(range(256)) * 4 * 4500  # more than a message, and no whole number of parts


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "_FIRST_PUT", 0.0)


def put(client: Any, content: bytes = CONTENT) -> Volume:
    volume = Volume.from_name("large", create_if_missing=True, version=1, client=client)
    with volume.batch_upload() as batch:
        batch.put_file(io.BytesIO(content), "/file")
    return volume


def paths(requests: list[str]) -> list[str]:
    """Which parts, without what they are of."""
    names = (request.split("/") for request in requests)
    return [f"{method.strip()} {place} {last}" for method, place, _, last in names]


def test_a_content_in_parts(run_in_cloud: Any) -> None:
    run = run_in_cloud(CloudOptions(part_size=PART))

    volume = put(run.client)

    assert b"".join(volume.read_file("file")) == CONTENT
    assert paths(run.cloud.parts.requests) == [
        *("PUT one 1", "PUT one 2", "PUT one 3"),
        "POST one complete",
    ]


def test_a_file_of_an_image_in_parts(run_in_cloud: Any, tmp_path: Path) -> None:
    run = run_in_cloud(CloudOptions(part_size=PART))
    (tmp_path / "large").write_bytes(CONTENT)
    image = Image.from_registry("debian:12").add_local_file(tmp_path / "large", "/srv/large")

    sandbox = Sandbox.create("cat", image=image, client=run.client)

    assert sandbox.filesystem.stat("/srv/large").size == len(CONTENT)
    assert len(run.cloud.parts.requests) == 4


def test_a_part_is_sent_again(run_in_cloud: Any) -> None:
    run = run_in_cloud(CloudOptions(part_size=PART))
    run.cloud.parts.failures = 2

    volume = put(run.client)

    assert b"".join(volume.read_file("file")) == CONTENT
    assert paths(run.cloud.parts.requests)[:4] == [*("PUT one 1",) * 3, "PUT one 2"]


def test_another_address_is_used_if_the_first_does_not_work(run_in_cloud: Any) -> None:
    run = run_in_cloud(CloudOptions(part_size=PART))
    run.cloud.parts.broken = True

    volume = put(run.client)

    assert b"".join(volume.read_file("file")) == CONTENT
    assert paths(run.cloud.parts.requests)[-1] == "POST two complete"


def test_a_part_that_is_damaged_on_the_way(run_in_cloud: Any) -> None:
    run = run_in_cloud(CloudOptions(part_size=PART))
    run.cloud.parts.damaged = True

    with pytest.raises(ServiceError, match=r"part 1 has the MD5 .*Did the file change"):
        put(run.client)


def test_a_server_that_refuses_all(run_in_cloud: Any) -> None:
    run = run_in_cloud(CloudOptions(part_size=PART))
    run.cloud.parts.failures = 100

    with pytest.raises(ServiceError, match=r"PUT of a content: 127\.0\.0\.2 answered 500, 'slow"):
        put(run.client)
    assert len(run.cloud.parts.requests) == 6  # three attempts at each address


def test_parts_that_are_too_few(run_in_cloud: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    run = run_in_cloud(CloudOptions(part_size=PART))
    answer = run.cloud.parts.answer
    monkeypatch.setattr(run.cloud.parts, "answer", lambda length, digest: answer(1, digest))

    with pytest.raises(ServiceError, match=f"{len(CONTENT)} bytes in 1 parts of {PART}"):
        put(run.client)


def test_contents_go_by_the_proxy_too(run_in_cloud: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    run = run_in_cloud(CloudOptions(part_size=PART))
    run.client.hello()  # the connection for calls is there, and goes by no proxy
    with between() as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}")
        volume = put(run.client)

        assert b"".join(volume.read_file("file")) == CONTENT
        # Each part, their end, and each block of what is read.
        assert len(proxy.targets) == 3 + 1 + 1
        proxy.user = "some:password"
        asked: list[object] = []

        def noted(*where: Any) -> Any:
            asked.append(where)
            return connect_through(*where)

        monkeypatch.setattr(web, "connect_through", noted)
        with pytest.raises(
            ServiceError, match=r"PUT of a content at 127\.0\.0\.2: the proxy .* 407"
        ):
            put(run.client, b"another".ljust(len(CONTENT)))
        assert len(asked) <= 3  # once for each part, of which several are sent at the same time


def test_an_answer_without_end(run_in_cloud: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    run = run_in_cloud(CloudOptions(part_size=PART))
    volume = put(run.client)
    monkeypatch.setattr(web, "_ANSWER", len(CONTENT) - 1)

    with pytest.raises(ServiceError, match="answers without end"):
        b"".join(volume.read_file("file"))


def test_an_address_to_which_nothing_is_sent(
    run_in_cloud: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor is the address shown: whoever knows it may write there."""
    run = run_in_cloud(CloudOptions(part_size=PART))
    answer = run.cloud.parts.answer
    monkeypatch.setattr(socket, "create_connection", pytest.fail)
    for url in (
        "http://a.test/part?s=s3cret",
        "http://169.254.169.254/part?s=s3cret",
        "https:///part?s=s3cret",
        "https://a.test:x/part?s=s3cret",
        "https://127.0.0.2:1/a b?s=s3cret",
        "https://127.0.0.2:1/\u00e9?s=s3cret",
        f"https://{'a' * 64}.test/part?s=s3cret",
        "ftp://a.test/part?s=s3cret",
    ):

        def elsewhere(length: int, digest: str, url: str = url) -> BlobCreateResponse:
            given: BlobCreateResponse = answer(length, digest)
            for each in given.multiparts.items:
                each.upload_urls[0] = url
            return given

        monkeypatch.setattr(run.cloud.parts, "answer", elsewhere)

        with pytest.raises(ServiceError, match="the server gave an address") as caught:
            put(run.client)
        assert "s3cret" not in str(caught.value)


def test_an_error_of_s3_is_shown_without_what_it_was_signed_with() -> None:
    body = (
        b"<Error><Code>SignatureDoesNotMatch</Code><Message>The signature does not match.</Message>"
        b"<AWSAccessKeyId>AKIA1</AWSAccessKeyId><StringToSign>s3cret</StringToSign></Error>"
    )
    with pytest.raises(ServiceError) as caught:
        web._checked("PUT", "https://s3.test/part?s=s3cret", web.WebAnswer(403, body, ""))

    assert str(caught.value) == (
        "PUT of a content: s3.test answered 403, "
        "'SignatureDoesNotMatch: The signature does not match.'"
    )


def test_certificates_are_those_of_other_connections(
    run_in_cloud: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Of `certifi` where the machine has none, and an error says what to do."""
    run = run_in_cloud(CloudOptions(part_size=PART))
    run.client.hello()
    authority = os.environ["SSL_CERT_FILE"]
    monkeypatch.delenv("SSL_CERT_FILE")
    with pytest.raises(ServiceError, match=r"its certificate is not trusted.* in SSL_CERT_FILE"):
        put(run.client)
    (tmp_path / "certifi.py").write_text(f"def where():\n    return {authority!r}\n")
    monkeypatch.delitem(sys.modules, "certifi", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    web._trusting_file.cache_clear()
    try:
        assert b"".join(put(run.client).read_file("file")) == CONTENT
    finally:
        web._trusting_file.cache_clear()
        sys.modules.pop("certifi", None)


def got_from(*answers: bytes) -> bytes:
    """What is fetched from a server that gives one answer after another, and ends connections."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(10)

        def serve() -> None:
            for answer in answers:
                connection, _ = server.accept()
                with connection:
                    connection.recv(65536)
                    connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            url = f"http://127.0.0.1:{server.getsockname()[1]}/part"
            return asyncio.run(web.get(SystemClock(), url))
        finally:
            thread.join()


@pytest.mark.parametrize("head", ["Content-Length: 5", "Transfer-Encoding: chunked"])
def test_a_content_that_came_in_part_is_fetched_again(
    monkeypatch: pytest.MonkeyPatch, head: str
) -> None:
    monkeypatch.setattr(web, "_FIRST_GET", 0.0)
    start = f"HTTP/1.1 200 OK\r\n{head}\r\n\r\n".encode()
    chunked = "chunked" in head
    part, whole = (b"5\r\nab", b"5\r\nabcde\r\n0\r\n\r\n") if chunked else (b"ab", b"abcde")

    assert got_from(start + part, start, start + whole) == b"abcde"
    monkeypatch.setattr(web, "_GETS", 1)
    with pytest.raises(ServiceError, match=r"after 2 of 5 bytes|IncompleteRead"):
        got_from(start + part)


@pytest.mark.parametrize("answer", [b"HTTP/1.1 200 OK\r\n\r\nab", b"HTTP/1.1 200 OK\r\nA:"])
def test_an_answer_that_comes_too_slowly(monkeypatch: pytest.MonkeyPatch, answer: bytes) -> None:
    """However often a byte comes, also of its head: no thread is held by it for ever."""
    minutes = itertools.count(1, step=61)
    monkeypatch.setattr(web, "real", SimpleNamespace(monotonic=lambda: next(minutes)))
    monkeypatch.setattr(web, "_GETS", 1)

    with pytest.raises(ServiceError, match=f"it sent {len(answer)} bytes in 61 seconds"):
        got_from(answer)


def test_a_content_that_is_taken_too_slowly(monkeypatch: pytest.MonkeyPatch) -> None:
    """A limit for all of it would give up large ones over a slow line."""
    times = iter([0.0, 1000.0, 1061.0, 1200.0, 2000.0, 3000.0])
    monkeypatch.setattr(web, "real", SimpleNamespace(monotonic=lambda: next(times)))
    segment = web.Segment(io.BytesIO(bytes(200_000)), 0, 200_000)
    for _ in range(2):
        assert len(segment.read(70_000)) == 70_000
    with pytest.raises(OSError, match="it took 140000 bytes in 200 seconds"):
        segment.read(1)
    segment.rewind()
    assert len(segment.read(200_000)) == 200_000


def test_what_is_sent_at_once_has_its_time_at_the_slowest_speed() -> None:
    """Python's time-out is for all that it is given to send, however much of it was taken."""
    sizes: list[int] = []

    class Read(web.Segment):
        def read(self, size: int = 0) -> bytes:
            data = super().read(size)
            sizes.append(len(data))
            return data

    content = bytes(300_000)
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(10)

        def take() -> None:
            connection, _ = server.accept()
            with connection, connection.makefile("rb") as requests:
                while requests.readline().strip():
                    pass
                assert requests.read(len(content)) == content
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

        thread = threading.Thread(target=take)
        thread.start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}/part"
        segment = Read(io.BytesIO(content), 0, len(content))
        asyncio.run(web.put(SystemClock(), url, segment))
        thread.join()

    assert sum(sizes) == len(content)
    assert max(sizes) <= 60 * 1024  # in a minute, at 1 KiB a second


def test_a_file_that_becomes_shorter() -> None:
    segment = web.Segment(io.BytesIO(b"abc"), 1, 5)
    assert segment.read() == b"bc"
    with pytest.raises(ServiceError, match="became shorter"):
        segment.read()


def test_a_large_file_is_never_in_memory_whole(
    run_in_cloud: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The largest piece that is read of it."""
    run = run_in_cloud(CloudOptions(part_size=8 * PART))
    path = tmp_path / "large"
    path.write_bytes(CONTENT * 8)
    sizes: list[int] = []
    with path.open("rb", buffering=0) as file:

        class Watched(io.RawIOBase):
            def seek(self, offset: int, whence: int = 0) -> int:
                return file.seek(offset, whence)

            def read(self, size: int = -1) -> bytes:
                data = file.read(size)
                sizes.append(len(data))
                return data

        async def send() -> None:
            watched: Any = Watched()
            content = LocalContent.of(watched)
            watched.seek(0)
            assert content.sha256 == hashlib.sha256(CONTENT * 8).digest()
            await uploads.upload(run.client, watched, content)

        portal().run(send)
    assert max(sizes) == 1024**2
    assert sum(sizes) == 3 * len(CONTENT) * 8  # for SHA-256, for MD5, and to be sent
