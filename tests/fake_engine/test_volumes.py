"""Volumes of the engine in memory, beyond what the contract asks of every engine."""

import asyncio

import pytest

from pytest_sandbox.engine import (
    InvalidSpec,
    ProcessSpec,
    TaskSpec,
    VolumeMount,
    WatchEvent,
    WatchKind,
)
from pytest_sandbox.fakes import FakeEngine

from .conftest import run

pytestmark = pytest.mark.asyncio

DATA = TaskSpec(volumes=(VolumeMount("data", "/mnt/data"),))
READ_ONLY = TaskSpec(volumes=(VolumeMount("data", "/srv/ro", read_only=True),))


async def test_what_one_sandbox_writes_another_sees_at_once(engine: FakeEngine) -> None:
    writer, reader = await engine.create(DATA), await engine.create(READ_ONLY)
    cat = await reader.exec(ProcessSpec(("sh", "-c", "cd /srv/ro; read x; cat f")))
    await run(writer, "sh", "-c", "echo shared > /mnt/data/f")
    await cat.write_stdin(b"\n")
    await cat.wait()
    assert await cat.stdout.read(0) == b"shared\n"


async def test_a_test_reads_and_writes_a_volume_before_and_after_the_sandbox(
    engine: FakeEngine,
) -> None:
    engine.volume("data").write("in/put", "1")
    task = await engine.create(DATA)
    assert (await run(task, "cat", "/mnt/data/in/put")).stdout == b"1"
    await run(task, "mv", "/mnt/data/in", "/mnt/data/out")
    await task.kill()
    assert engine.volume("data").read_text("/out/put") == "1"
    assert engine.volume("other").listdir("/") == []


async def test_a_read_only_volume_is_erofs_for_everything_that_changes_it(
    engine: FakeEngine,
) -> None:
    engine.volume("data").write("f", "1")
    task = await engine.create(READ_ONLY)
    for script in ("> f", ">> f", "> new", "mkdir d", "rm f", "mv f g", "ln f g", "ln -s f g",
                   "chmod 600 f", "chown 1 f", "touch f", "truncate -s 0 f"):  # fmt: skip
        done = await run(task, "sh", "-c", f"cd /srv/ro; {script}")
        assert (script, b"Read-only file system" in done.stderr) == (script, True)
    assert (await run(task, "cat", "/srv/ro/f")).stdout == b"1"


async def test_a_volume_is_in_no_snapshot_and_is_there_again_if_asked_for(
    engine: FakeEngine,
) -> None:
    task = await engine.create(DATA)
    await run(task, "sh", "-c", "echo v > /mnt/data/f")
    image = await task.snapshot()
    without = await engine.create(TaskSpec(image=image))
    assert without.view.listdir("/mnt/data") == []
    again = await engine.create(TaskSpec(image=image, volumes=DATA.volumes))
    assert again.view.read_text("/mnt/data/f") == "v\n"


async def test_volumes_lie_in_each_other_in_whatever_order_they_are_named(
    engine: FakeEngine,
) -> None:
    inner, outer = VolumeMount("inner", "/v/a/b"), VolumeMount("outer", "/v")
    task = await engine.create(TaskSpec(volumes=(inner, outer)))
    await run(task, "sh", "-c", "touch /v/f /v/a/b/g")
    assert engine.volume("inner").listdir("/") == ["g"]
    assert engine.volume("outer").listdir("/") == ["a", "f"]


async def test_a_volume_is_not_unmounted_as_an_image_is(engine: FakeEngine) -> None:
    task = await engine.create(DATA)
    with pytest.raises(OSError, match="Invalid argument"):
        await task.unmount("/mnt/data")
    await task.mount("/mnt/data", None)
    await run(task, "touch", "/mnt/data/hidden")
    await task.unmount("/mnt/data")
    assert engine.volume("data").listdir("/") == []


async def test_a_file_in_the_way_of_a_volume_is_told(engine: FakeEngine) -> None:
    spec = TaskSpec(volumes=(VolumeMount("data", "/etc/passwd/x"),))
    with pytest.raises(InvalidSpec, match="'data' cannot be mounted at '/etc/passwd/x': Not a dir"):
        await engine.create(spec)


async def test_a_watch_sees_what_another_sandbox_does_to_a_volume(engine: FakeEngine) -> None:
    one, two = await engine.create(DATA), await engine.create(DATA)
    watch = one.files.watch("/mnt/data")
    event = asyncio.ensure_future(watch.__anext__())
    await asyncio.sleep(0)
    await run(two, "mkdir", "/mnt/data/d")
    assert await event == WatchEvent(WatchKind.CREATE, ("/mnt/data/d",))
    await watch.aclose()  # type: ignore[attr-defined]


async def test_an_ended_sandbox_holds_nothing_of_a_volume(engine: FakeEngine) -> None:
    engine = FakeEngine(disk=100_000)
    await engine.start()
    one, two = await engine.create(DATA), await engine.create(DATA)
    await one.files.open("/mnt/data/big", 0o102)
    watch = one.files.watch("/mnt/data")
    event = asyncio.ensure_future(watch.__anext__())
    await asyncio.sleep(0)
    two.view.write("/mnt/data/big", b"x" * 60_000)
    two.view.remove("/mnt/data/big")
    await event
    await one.kill()
    two.view.write("/mnt/data/f", b"x" * 60_000)
    assert engine._volumes["data"].watches._watches == []
    await engine.close()
