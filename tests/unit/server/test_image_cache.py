"""Images are stored on disk for later runs: whole or not at all, within a limit."""

import asyncio
import fcntl
import hashlib
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from grpclib import GRPCError, Status

from pytest_sandbox._proto import extensions_pb2 as pb
from pytest_sandbox._proto import images_pb2
from pytest_sandbox._proto.extensions_grpc import ExtensionsStub
from pytest_sandbox.engine import Snapshot
from pytest_sandbox.fakes import settle
from pytest_sandbox.server.snapshots.cache_writer import is_whole
from pytest_sandbox.server.snapshots.disk_cache import ImageCache

from .engines import GatedEngine
from .harness import Created, Harness, refused, serve
from .snapshotting import directory, files_image


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("PYTEST_SANDBOX_CACHE_SIZE", raising=False)
    return tmp_path / "pytest-sandbox" / "images"


@pytest_asyncio.fixture
async def server() -> AsyncIterator[Harness]:
    async with serve(GatedEngine()) as harness:
        yield harness


async def store_image(server: Harness, image_id: str, key: str = "key") -> None:
    request = pb.ImageKeepRequest(image_id=image_id, key=key)
    await ExtensionsStub(server.channel).ImageKeep(request)


async def recall(server: Harness, key: str = "key") -> str:
    return (
        await ExtensionsStub(server.channel).ImageRecall(pb.ImageRecallRequest(key=key))
    ).image_id


async def sandbox_with(server: Harness, text: str, **fields: Any) -> Created:
    sandbox = await server.create(**fields)
    sandbox.task.view.write("/tmp/a", text)
    return sandbox


def text_in(sandbox: Created) -> str:
    return sandbox.task.view.read_text("/tmp/a")


def there(folder: Path) -> bool:
    return folder.exists()


def stored(folder: Path, name: str) -> list[Path]:
    return sorted((folder / name).iterdir())


# Through the server


@pytest.mark.asyncio
async def test_an_image_is_there_in_a_later_run() -> None:
    async with serve(GatedEngine()) as server:
        image = images_pb2.Image(dockerfile_commands=["FROM debian", "ENV A=b", 'CMD ["hang"]'])
        request = images_pb2.ImageGetOrCreateRequest(image=image)
        below = (await server.control.ImageGetOrCreate(request)).image_id
        await store_image(
            server, await files_image(server, await sandbox_with(server, "x", image_id=below))
        )

    async with serve(GatedEngine()) as server:
        copy = await server.create(image_id=await recall(server))
        assert text_in(copy) == "x"
        spec = copy.task.spec
        assert spec.main is not None
        assert (spec.main.argv, dict(spec.env)) == (("hang",), {"A": "b"})


@pytest.mark.asyncio
async def test_nothing_is_found_under_another_key_or_for_another_engine(folder: Path) -> None:
    async with serve(GatedEngine()) as server:
        assert await recall(server) == ""
        assert not there(folder)
        await store_image(server, await files_image(server, await sandbox_with(server, "x")))
        assert await recall(server, "other") == ""
    async with serve(GatedEngine(fingerprint="of another machine")) as server:
        assert await recall(server) == ""


@pytest.mark.asyncio
async def test_a_key_stands_for_what_was_stored_last(server: Harness, folder: Path) -> None:
    for text in ("first", "second"):
        await store_image(server, await files_image(server, await sandbox_with(server, text)))
    assert text_in(await server.create(image_id=await recall(server))) == "second"
    assert [len(stored(folder, name)) for name in ("keys", "blobs", "new")] == [1, 1, 0]


@pytest.mark.asyncio
async def test_the_same_content_is_stored_once(server: Harness, folder: Path) -> None:
    image_id = await files_image(server, await sandbox_with(server, "x"))
    await asyncio.gather(*(store_image(server, image_id, key) for key in "abc"))
    assert [len(stored(folder, name)) for name in ("keys", "blobs", "new")] == [3, 1, 0]


@pytest.mark.asyncio
async def test_what_is_no_snapshot_of_files_is_refused(server: Harness) -> None:
    with refused(Status.INVALID_ARGUMENT, "not a snapshot"):
        await store_image(server, await server.image_id())
    with refused(Status.INVALID_ARGUMENT, "not a snapshot"):
        await store_image(server, await directory(server, await server.create(), b"/tmp"))
    with refused(Status.NOT_FOUND, "im-nope"):
        await store_image(server, "im-nope")


@pytest.mark.asyncio
async def test_an_engine_whose_images_end_with_it_says_so(folder: Path) -> None:
    async with serve(GatedEngine(fingerprint="")) as server:
        with refused(Status.UNIMPLEMENTED, "fake", "outlive"):
            await store_image(server, await files_image(server, await server.create()))
        assert await recall(server) == ""
    assert not there(folder)


@pytest.mark.asyncio
async def test_an_image_that_is_too_large_is_refused_and_leaves_nothing(
    server: Harness, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTEST_SANDBOX_CACHE_SIZE", "100")
    with refused(Status.RESOURCE_EXHAUSTED, "100 bytes", "PYTEST_SANDBOX_CACHE_SIZE"):
        await store_image(server, await files_image(server, await sandbox_with(server, "x" * 101)))
    assert stored(folder, "new") == []
    monkeypatch.setenv("PYTEST_SANDBOX_CACHE_SIZE", "2 GB")
    with refused(Status.FAILED_PRECONDITION, "PYTEST_SANDBOX_CACHE_SIZE='2 GB'"):
        await recall(server)


@pytest.mark.asyncio
@pytest.mark.parametrize("damage", ["cut", "changed", "no blob", "no json", "no dict"])
async def test_what_is_damaged_is_not_loaded(server: Harness, folder: Path, damage: str) -> None:
    await store_image(server, await files_image(server, await sandbox_with(server, "x" * 99)))
    (key,), (blob,) = stored(folder, "keys"), stored(folder, "blobs")
    content = blob.read_bytes()
    if damage == "cut":
        blob.write_bytes(content[:-1])
    elif damage == "changed":
        blob.write_bytes(content.replace(b"xx", b"yx"))
    elif damage == "no blob":
        blob.unlink()
    else:
        key.write_bytes(b"{" if damage == "no json" else b"[]")

    assert await recall(server) == ""
    await store_image(server, await files_image(server, await sandbox_with(server, "again")))
    assert text_in(await server.create(image_id=await recall(server))) == "again"


@pytest.mark.asyncio
async def test_a_content_that_the_engine_refuses_is_removed(server: Harness, folder: Path) -> None:
    await store_image(server, await files_image(server, await sandbox_with(server, "x")))
    (key,), (blob,) = stored(folder, "keys"), stored(folder, "blobs")
    other = hashlib.sha256(b"{").hexdigest()
    key.write_text(key.read_text().replace(blob.name, other))
    (folder / "blobs" / other).write_bytes(b"{")

    assert await recall(server) == ""
    assert stored(folder, "keys") == stored(folder, "blobs") == []


@pytest.mark.asyncio
async def test_without_room_for_it_another_image_goes(server: Harness) -> None:
    engine = server.engine
    assert isinstance(engine, GatedEngine)
    await store_image(server, await files_image(server, await sandbox_with(server, "x")))
    engine.snapshots.room = 1
    assert text_in(await server.create(image_id=await recall(server))) == "x"
    assert engine.forgotten == ["image-1"]


@pytest.mark.asyncio
async def test_an_image_whose_client_is_gone_is_not_kept_in_memory(
    server: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox = await sandbox_with(server, "kept")
    await store_image(server, await files_image(server, sandbox))
    load, entered, gate = server.engine.load, asyncio.Event(), asyncio.Event()

    async def slowly(stream: AsyncIterator[bytes]) -> Snapshot:
        entered.set()
        await gate.wait()
        return await load(stream)

    monkeypatch.setattr(server.engine, "load", slowly)
    call = asyncio.ensure_future(recall(server))
    await entered.wait()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    await settle()
    gate.set()
    while not server.engine.forgotten:  # noqa: ASYNC110 - nobody tells
        await asyncio.sleep(0)
    assert text_in(await server.create(image_id=await recall(server))) == "kept"


# On the disk


def store(cache: ImageCache, key: str, data: bytes) -> None:
    writer = cache.writer()
    try:
        writer.write(data)
        cache.publish(key, writer, {})
    finally:
        writer.close()


def keys_found(cache: ImageCache, keys: str) -> str:
    found = ""
    for key in keys:
        entry = cache.find(key)
        if entry is not None:
            entry[1].close()
            found += key
    return found


def test_the_one_that_was_not_used_for_the_longest_goes_first(tmp_path: Path) -> None:
    cache = ImageCache(tmp_path, 30)
    for age, key in enumerate("cba"):
        store(cache, key, key.encode() * 10)
        path = cache._key(key)
        os.utime(path, (age, age))
    assert keys_found(cache, "b") == "b"  # which uses it

    store(cache, "d", b"d" * 10)
    store(cache, "e", b"e" * 10)

    assert keys_found(cache, "abcde") == "bde"
    assert sum(path.stat().st_size for path in stored(tmp_path, "blobs")) == 30


def test_a_shared_content_counts_once_and_stays_until_its_last_key_goes(tmp_path: Path) -> None:
    cache = ImageCache(tmp_path, 20)
    for key in "abc":
        store(cache, key, b"s" * 10)
    assert keys_found(cache, "abc") == "abc"
    for key in "ab":
        cache.remove(key)
    assert len(stored(tmp_path, "blobs")) == 1
    cache.remove("c")
    cache.remove("c")
    assert stored(tmp_path, "blobs") == []


def test_what_a_dead_process_was_writing_is_removed_and_what_a_live_one_writes_is_not(
    tmp_path: Path,
) -> None:
    cache = ImageCache(tmp_path, 100)
    live = cache.writer()
    (tmp_path / "new" / "left behind").write_bytes(b"half")
    (tmp_path / "blobs").mkdir()
    (tmp_path / "blobs" / "without a key").write_bytes(b"whole")
    store(cache, "key", b"x")
    assert stored(tmp_path, "new") == [Path(live.path)]
    assert len(stored(tmp_path, "blobs")) == 1
    live.write(b"y")
    cache.publish("other", live, {})
    live.close()
    assert keys_found(cache, "k") == ""
    entry = cache.find("other")
    assert entry is not None
    with entry[1] as content:
        assert is_whole(content, entry[0].blob)
        assert content.read() == b"y"


def test_a_content_that_is_being_read_stays_readable_when_it_goes(tmp_path: Path) -> None:
    cache = ImageCache(tmp_path, 100)
    store(cache, "key", b"x" * 50)
    found = cache.find("key")
    assert found is not None
    store(cache, "other", b"y" * 100)
    with found[1] as content:
        assert (content.read(), keys_found(cache, "k")) == (b"x" * 50, "")


def test_changes_wait_for_each_other(tmp_path: Path) -> None:
    cache = ImageCache(tmp_path, 100)
    store(cache, "key", b"x")
    with (tmp_path / "lock").open() as lock, cache._locked(), pytest.raises(BlockingIOError):
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_the_folder_is_that_of_the_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    store(ImageCache.of_environment({}), "key", b"x")
    folder = tmp_path / ".cache" / "pytest-sandbox" / "images"
    assert folder.stat().st_mode & 0o777 == 0o700
    with pytest.raises(GRPCError, match="-1"):
        ImageCache.of_environment({"PYTEST_SANDBOX_CACHE_SIZE": "-1"})
