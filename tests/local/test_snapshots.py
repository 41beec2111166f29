"""Snapshots of the filesystem: of idle sandboxes, of busy ones, and of those that end with it."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

import pytest

from pytest_sandbox.engine import (
    EndCause,
    ProcessSpec,
    Snapshot,
    TaskEnded,
    TaskSpec,
    UnknownImage,
)

from .conftest import shell

if TYPE_CHECKING:
    from pytest_sandbox.local import LocalEngine
    from pytest_sandbox.local.engine.task import LocalTask

pytestmark = pytest.mark.asyncio(loop_scope="module")

LIVE, BUSY, ENDED = "idle", "busy", "ended"
ways = pytest.mark.parametrize("way", [LIVE, BUSY, ENDED])


async def take_snapshot(task: LocalTask, way: str) -> Snapshot:
    """Take a snapshot in one of the three ways in which the engine does it."""
    if way == BUSY:
        await task.exec(ProcessSpec(("/bin/sleep", "1000")))
    return await task.snapshot(end=way == ENDED)


async def out(task: LocalTask, script: str) -> str:
    done = await shell(task, script)
    assert (done.code, done.err) == (0, ""), done
    return done.out


@ways
async def test_a_restored_sandbox_has_what_was_written_and_not_what_was_removed(
    engine: LocalEngine, way: str
) -> None:
    source = await engine.create(TaskSpec())
    await out(source, "echo one >/root/f; mkdir -p /srv/a/b; rm /etc/fstab; rm -r /var/cache")
    image = await take_snapshot(source, way)

    copy = await engine.create(TaskSpec(image=image))
    assert await out(copy, "cat /root/f; ls -d /srv/a/b") == "one\n/srv/a/b\n"
    assert await out(copy, "ls /etc/fstab /var/cache 2>&1 | wc -l") == "2\n"

    await engine.forget(image)
    await source.kill()
    await copy.kill()


@ways
async def test_branches_of_one_snapshot_do_not_see_each_other(
    engine: LocalEngine, way: str
) -> None:
    source = await engine.create(TaskSpec())
    await out(source, "echo base >/srv/f")
    image = await take_snapshot(source, way)
    left = await engine.create(TaskSpec(image=image))
    right = await engine.create(TaskSpec(image=image))

    await out(left, "echo left >>/srv/f; rm /etc/fstab")
    await out(right, "echo right >>/srv/f; mkdir /srv/d")
    deeper = await take_snapshot(left, way)
    again = await engine.create(TaskSpec(image=deeper))

    assert await out(right, "cat /srv/f; ls /etc/fstab /srv") == (
        "base\nright\n/etc/fstab\n\n/srv:\nd\nf\n"
    )
    assert await out(again, "cat /srv/f; ls /srv; test -e /etc/fstab || echo gone") == (
        "base\nleft\nf\ngone\n"
    )
    for name in (image, deeper):
        await engine.forget(name)
    for task in (source, left, right, again):
        await task.kill()


async def test_an_idle_sandbox_goes_on_as_if_nothing_had_happened(engine: LocalEngine) -> None:
    task = await engine.create(TaskSpec(hostname="same", workdir="/work"))
    await out(task, "echo x >/dev/shm/x; echo one >f; mkdir '/root/a b'")
    look = "pwd; uname -n; readlink /proc/self/ns/mnt /proc/self/ns/pid; cat /dev/shm/x f; ls /dev"
    before = await out(task, look)

    image = await task.snapshot()

    assert await out(task, look) == before
    await out(task, "echo two >f; echo x >/dev/null; head -c 1 /dev/urandom >/var/x; ls /proc /sys")
    copy = await engine.create(TaskSpec(image=image, workdir="/work"))
    assert (
        await out(copy, "cat f; ls /var/x 2>/dev/null; ls /dev/shm; uname -n") == "one\nsandbox\n"
    )
    await engine.forget(image)
    await task.kill()
    await copy.kill()


async def test_processes_see_nothing_but_a_pause(engine: LocalEngine) -> None:
    task = await engine.create(TaskSpec())
    counting = "i=0; while sleep 0.01; do i=$((i+1)); echo $i; done"
    running = await task.exec(ProcessSpec(("/bin/sh", "-c", counting)))
    stopped = await task.exec(ProcessSpec(("/bin/sh", "-c", "kill -STOP $$; echo went on")))
    await out(task, "until grep -qs 'State:.T' /proc/[0-9]*/status; do sleep 0.01; done")

    image = await task.snapshot()

    read = running.stdout.follow()
    seen = b""
    while b"\n50\n" not in seen:
        seen += await read.__anext__()
    assert await out(task, "grep -s 'State:.T' /proc/[0-9]*/status | wc -l") == "1\n"
    assert stopped.poll() is None
    await task.kill()
    await engine.forget(image)


async def test_a_file_that_is_open_outside_does_not_change_the_snapshot(
    engine: LocalEngine,
) -> None:
    task = await engine.create(TaskSpec())
    file = await task.files.open("/root/f", os.O_RDWR | os.O_CREAT)
    await file.pwrite(0, b"before")
    image = await task.snapshot()
    await file.pwrite(0, b"after!")
    copy = await engine.create(TaskSpec(image=image))
    assert await out(copy, "cat /root/f") == "before"
    assert await out(task, "cat /root/f") == "after!"
    await engine.forget(image)
    await task.kill()
    await copy.kill()


async def test_a_snapshot_at_the_end_is_like_a_kill(engine: LocalEngine) -> None:
    task = await engine.create(TaskSpec(main=ProcessSpec(("/bin/sleep", "1000"))))
    image = await task.snapshot(end=True)
    end = task.poll()
    assert end is not None
    assert (end.cause, end.status) == (EndCause.KILLED, None)
    for call in (task.snapshot(), task.snapshot(end=True)):
        with pytest.raises(TaskEnded):
            await call
    await engine.forget(image)


async def test_snapshots_at_once_are_served_one_after_another(engine: LocalEngine) -> None:
    task = await engine.create(TaskSpec())
    await out(task, "echo x >/srv/f")
    part = asyncio.ensure_future(task.snapshot_directory("/srv"))
    images = await asyncio.gather(*(task.snapshot() for _ in range(5)))
    assert len({*images, await part}) == 6
    copy = await engine.create(TaskSpec(image=images[4]))
    assert await out(copy, "cat /srv/f") == "x\n"
    for image in images:
        await engine.forget(image)
    await engine.forget(await part)
    await task.kill()
    await copy.kill()


async def test_a_forgotten_snapshot_is_unknown_and_what_depends_on_it_stays(
    engine: LocalEngine,
) -> None:
    task = await engine.create(TaskSpec())
    await out(task, "echo x >/root/f")
    image = await task.snapshot()
    copy = await engine.create(TaskSpec(image=image))
    await engine.forget(image)
    await engine.forget(image)
    with pytest.raises(UnknownImage, match=image.name):
        await engine.create(TaskSpec(image=image))
    assert await out(copy, "cat /root/f") == "x\n"
    deeper = await copy.snapshot()
    again = await engine.create(TaskSpec(image=deeper))
    assert await out(again, "cat /root/f") == "x\n"
    await engine.forget(deeper)
    for one in (task, copy, again):
        await one.kill()


async def test_a_layer_is_freed_when_nothing_depends_on_it(engine: LocalEngine) -> None:
    task = await engine.create(TaskSpec())
    for way in (LIVE, BUSY, ENDED):
        await engine.forget(await take_snapshot(task, way))
    await task.wait()
    assert engine.factory.store.layers == 0


@pytest.mark.asyncio(loop_scope="module")
async def test_a_sandbox_that_is_not_quite_done_can_have_mounts(engine: LocalEngine) -> None:
    """It is told to be ready while it still sees what it is made of, and must not be looked at."""
    first = await engine.create(TaskSpec())
    await shell(first, "mkdir /srv/d; echo there > /srv/d/f")
    directory = await first.snapshot_directory("/srv/d")
    await first.kill()
    for _ in range(5):
        task = await engine.create(TaskSpec())
        await task.mount("/mnt", directory)
        assert (await shell(task, "cat /mnt/f")).out == "there\n"
        await task.kill()
    await engine.forget(directory)
