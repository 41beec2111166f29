"""What is kept of sandboxes in memory, beyond what the contract asks of every engine."""

import asyncio
import hashlib
from collections.abc import AsyncIterator

import pytest

from pytest_sandbox.engine import (
    DirectorySnapshot,
    EndCause,
    InvalidSpec,
    ProcessSpec,
    StoreFull,
    TaskEnd,
    TaskEnded,
    TaskSpec,
    UnknownImage,
    WatchEvent,
    WatchKind,
)
from pytest_sandbox.fakes import FakeEngine, MemoryTask

from .conftest import content, run

pytestmark = pytest.mark.asyncio


async def test_a_sandbox_starts_from_a_snapshot_and_the_two_go_their_own_ways(
    engine: FakeEngine, task: MemoryTask
) -> None:
    task.view.write("/srv/app/config", "one")
    image = await task.snapshot()
    task.view.write("/srv/app/config", "two")
    spec = TaskSpec(main=ProcessSpec(("cat", "/srv/app/config")), image=image)
    for _ in range(2):
        fork = await engine.create(spec)
        assert fork.main is not None
        assert await content(fork.main.stdout) == b"one"
    idle = await engine.create(TaskSpec(image=image))
    idle.view.remove("/srv/app/config")
    assert (idle.view.exists("/srv/app/config"), task.view.read_text("/srv/app/config")) == (
        False,
        "two",
    )


async def test_what_neither_of_two_sandboxes_changes_they_share(
    engine: FakeEngine, task: MemoryTask
) -> None:
    fork = await engine.create(TaskSpec(image=await task.snapshot()))
    assert fork.kernel.fs.lookup("/etc/passwd") is task.kernel.fs.lookup("/etc/passwd")


async def test_a_snapshot_can_be_the_end_of_a_sandbox(engine: FakeEngine, task: MemoryTask) -> None:
    task.view.write("/srv/last", "word")
    image = await task.snapshot(end=True)
    assert task.poll() == TaskEnd(EndCause.KILLED)
    with pytest.raises(TaskEnded):
        await task.snapshot()
    after = await engine.create(TaskSpec(image=image))
    assert after.view.read_text("/srv/last") == "word"


async def test_an_image_that_was_forgotten_is_unknown_and_what_stands_on_it_stays(
    engine: FakeEngine, task: MemoryTask
) -> None:
    task.view.write("/srv/kept", "still")
    image = await task.snapshot()
    standing = await engine.create(TaskSpec(image=image))
    await engine.forget(image)
    await engine.forget(image)
    with pytest.raises(UnknownImage, match=f"no image '{image}', or it was forgotten"):
        await engine.create(TaskSpec(image=image))
    assert standing.view.read_text("/srv/kept") == "still"
    second = await engine.create(TaskSpec(image=await standing.snapshot()))
    assert second.view.read_text("/srv/kept") == "still"


async def test_a_directory_is_shown_elsewhere_and_written_to_without_changing_the_image(
    engine: FakeEngine, task: MemoryTask
) -> None:
    task.view.write("/srv/data/deep/file", "kept")
    await run(task, "ln", "/srv/data/deep/file", "/srv/data/same")
    await run(task, "ln", "-s", "deep/../same", "/srv/data/link")
    image = await task.snapshot_directory("/srv/data")
    task.view.write("/srv/data/deep/file", "changed")
    for where in (task, await engine.create(TaskSpec())):
        await run(where, "mkdir", "-p", "/mnt/here")
        await where.mount("/mnt/here", image)
        shown = await run(where, "cat", "/mnt/here/link", "/mnt/here/deep/file")
        assert shown.stdout == b"keptkept"
        await run(where, "sh", "-c", "echo over > /mnt/here/same; rm /mnt/here/link")
        assert where.view.read_text("/mnt/here/deep/file") == "over\n"


async def test_what_is_mounted_hides_what_is_below_until_it_is_unmounted(task: MemoryTask) -> None:
    task.view.write("/srv/below", "1")
    image = await task.snapshot_directory("/srv")
    await task.mount("/srv", None)
    await task.mount("/srv", image)
    task.view.write("/srv/above", "2")
    assert task.view.listdir("/srv") == ["above", "below"]
    await task.unmount("/srv")
    assert task.view.listdir("/srv") == []
    await task.unmount("/srv")
    assert task.view.listdir("/srv") == ["below"]
    with pytest.raises(OSError, match="Invalid argument"):
        await task.unmount("/srv")


async def test_a_mount_is_in_no_snapshot_of_the_filesystem_but_in_one_of_a_directory(
    engine: FakeEngine, task: MemoryTask
) -> None:
    task.view.write("/srv/a/f", "below")
    await task.mount("/srv/a", None)
    task.view.write("/srv/a/g", "above")
    task.view.write("/dev/shm/s", "shared memory")
    whole, part = await task.snapshot(), await task.snapshot_directory("/srv")
    other = await engine.create(TaskSpec(image=whole))
    assert other.view.listdir("/srv/a") == ["f"]
    assert other.view.listdir("/dev/shm") == []
    await other.mount("/opt", part)
    assert other.view.read_text("/opt/a/g") == "above"
    assert other.view.listdir("/opt/a") == ["g"]


async def test_a_mount_that_is_in_use_stays(task: MemoryTask) -> None:
    await task.mount("/srv", None)
    process = await task.exec(ProcessSpec(("cat",), workdir="/srv"))
    with pytest.raises(OSError, match="Device or resource busy"):
        await task.unmount("/srv")
    await process.close_stdin()
    await process.wait()
    await run(task, "mkdir", "/srv/in")
    await task.mount("/srv/in", None)
    with pytest.raises(OSError, match="Device or resource busy"):
        await task.unmount("/srv")
    await task.unmount("/srv/in")
    await task.unmount("/srv")


async def test_what_cannot_be_mounted_is_refused(engine: FakeEngine, task: MemoryTask) -> None:
    part = await task.snapshot_directory("/etc")
    with pytest.raises(InvalidSpec, match="belongs to the system"):
        await task.mount("/srv/..", part)
    with pytest.raises(UnknownImage, match="image-9"):
        await task.mount("/srv", DirectorySnapshot("image-9"))
    with pytest.raises(NotADirectoryError):
        await task.mount("/etc/passwd", part)
    with pytest.raises(NotADirectoryError):
        await task.snapshot_directory("/etc/passwd")
    for call in (task.mount("srv", part), task.unmount("srv"), task.snapshot_directory("srv")):
        with pytest.raises(OSError, match="Invalid argument"):
            await call
    await task.kill()
    for call in (task.mount("/srv", part), task.unmount("/srv"), task.snapshot_directory("/srv")):
        with pytest.raises(TaskEnded):
            await call


async def test_a_watch_sees_what_happens_on_a_mount_below(task: MemoryTask) -> None:
    await run(task, "mkdir", "-p", "/srv/a/b")
    await task.mount("/srv/a/b", None)
    watch = task.files.watch("/srv", recursive=True)
    event = asyncio.ensure_future(watch.__anext__())
    await asyncio.sleep(0)
    task.view.write("/srv/a/b/new", "")
    assert await event == WatchEvent(WatchKind.CREATE, ("/srv/a/b/new",))
    await watch.aclose()  # type: ignore[attr-defined]


async def test_files_are_moved_between_mounts_by_copying(task: MemoryTask) -> None:
    await task.mount("/srv", None)
    await run(
        task, "sh", "-c", "mkdir -p /opt/d/e /srv/d; echo x > /opt/d/e/f; chmod 600 /opt/d/e/f"
    )
    done = await run(task, "sh", "-c", "cd /opt && ln -s e d/l && mv d /srv && ls -A /srv/d /opt")
    assert done.stdout == b"/opt:\n\n/srv/d:\ne\nl\n"
    assert (await task.files.stat("/srv/d/e/f")).mode == 0o100600
    assert (await task.files.stat("/srv/d/l")).symlink_target == "e"
    refused = await run(task, "sh", "-c", "touch /opt/d; mv /opt/d /srv; ls /opt /srv/d")
    assert refused.stderr == b"mv: /srv/d: Is a directory\n"
    assert refused.stdout == b"/opt:\nd\n\n/srv/d:\ne\nl\n"


async def once(body: bytes) -> AsyncIterator[bytes]:
    yield body + hashlib.sha256(body).digest()


async def test_an_image_that_was_made_up_is_refused(engine: FakeEngine, task: MemoryTask) -> None:
    whole = b"".join([data async for data in engine.export(await task.snapshot())])
    body = whole[: -hashlib.sha256().digest_size]

    for other in (
        body[:2000],
        body[:-600],
        body.partition(b"\n")[0] + b"\n",
        body.replace(b"0", b"9"),
    ):
        with pytest.raises(InvalidSpec):
            await engine.load(once(other))
    assert await engine.load(once(body))


async def test_an_image_that_is_larger_than_a_disk_does_not_fit(
    engine: FakeEngine, task: MemoryTask
) -> None:
    task.view.write("/srv/large", b"x" * 1_000_000)
    body = b"".join([data async for data in engine.export(await task.snapshot())])
    small = FakeEngine(disk=500_000)
    await small.start()

    with pytest.raises(StoreFull):
        await small.load(once(body[: -hashlib.sha256().digest_size]))


async def test_an_image_is_loaded_by_another_engine(engine: FakeEngine, task: MemoryTask) -> None:
    script = "cd /srv; echo one > f; ln f g; ln -s f l; chmod 4711 f; rm /etc/hosts"
    await run(task, "sh", "-c", script)
    data = [chunk async for chunk in engine.export(await task.snapshot())]

    async def stream() -> AsyncIterator[bytes]:
        for chunk in data:
            yield chunk

    other = FakeEngine()
    await other.start()
    copy = await other.create(TaskSpec(image=await other.load(stream())))
    shown = await run(copy, "sh", "-c", "cd /srv; cat l g; ls /etc; echo x > /dev/null")
    assert shown.stdout == b"one\none\ngroup\npasswd\n"
    entry = await copy.files.stat("/srv/f")
    assert (entry.mode, entry.mtime_ns) == (0o104711, (await task.files.stat("/srv/f")).mtime_ns)
    await other.close()


async def test_the_fingerprint_is_that_of_the_files_of_the_engine() -> None:
    told = [
        (await FakeEngine(files=files).start()).fingerprint
        for files in ({}, {"/a": "1"}, {"/a": "2"}, {"/a": "1"}, {"/a1": ""})
    ]
    assert told[1] == told[3]
    assert len(set(told)) == 4
    assert "" not in told
