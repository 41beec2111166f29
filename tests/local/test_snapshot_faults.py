"""Snapshots under attack, without room, or cut short: nothing hangs and nothing is left."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import re
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_sandbox.engine import (
    DirectorySnapshot,
    EndCause,
    EngineUnavailable,
    InvalidSpec,
    Limits,
    ProcessSpec,
    Snapshot,
    StoreFull,
    TaskEnded,
    TaskSpec,
)
from pytest_sandbox.local import LocalEngine, LocalOptions
from pytest_sandbox.local.engine import spares
from pytest_sandbox.local.protocol.common import Succeeded
from pytest_sandbox.local.protocol.zygote import UnmountRequest

from .conftest import is_forker, is_running, needs_root, shell

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from pytest_sandbox.local.engine.task import LocalTask

pytestmark = pytest.mark.asyncio
#: For tests that share the engine of the module.
shared = pytest.mark.asyncio(loop_scope="module")

MIB = 2**20
#: Why a sandbox has ended that could get no new store.
NO_MORE = "after a snapshot, which has all its files, it could not go on"


@pytest.fixture(autouse=True)
def no_spares(monkeypatch: pytest.MonkeyPatch) -> None:
    """Made at any moment, they would be counted with what is left."""
    monkeypatch.setattr(spares, "_SOON", -1.0)


async def started(**options: Any) -> LocalEngine:
    engine = LocalEngine(LocalOptions(pool=False, **options))  # no processes but those of tests
    await engine.start()
    return engine


async def out(task: LocalTask, script: str) -> str:
    done = await shell(task, script)
    assert (done.code, done.err) == (0, ""), done
    return done.out


async def write(task: LocalTask, path: str, text: str) -> None:
    file = await task.files.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    await file.pwrite(0, text.encode())
    await file.close()


def zygote(engine: LocalEngine) -> int:
    return engine.factory.zygote.pid


def children(pid: int) -> list[str]:
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [child for child in found if not is_forker(int(child))]


def held(engine: LocalEngine) -> tuple[int, int, int, int]:
    """What grows if something leaks: of the zygote mounts, descriptors, children; our own."""
    pid = zygote(engine)
    mounts = Path(f"/proc/{pid}/mountinfo").read_text().count("\n")
    counts = [len(descriptors(one)) for one in (str(pid), "self")]
    return mounts, counts[0], counts[1], len(children(pid))


def descriptors(pid: str) -> list[str]:
    """What a process has open, but for files of cgroups that are used again."""
    found = []
    for name in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(FileNotFoundError):  # it listed the directory itself
            found.append(os.readlink(f"/proc/{pid}/fd/{name}"))
    return [path for path in found if "/sandboxes/" not in path]


async def quiet(engine: LocalEngine) -> tuple[int, int, int, int]:
    """What is held once everything has ended that was to end."""
    await engine.factory.pool.ended()
    await eventually(lambda: not children(zygote(engine)))
    request = UnmountRequest(name="none", path="/")
    with pytest.raises(ProcessLookupError):  # answered once all that came before is done
        await engine.factory.zygote.request(request, Succeeded)
    await eventually(lambda: not children(zygote(engine)))
    return held(engine)


async def eventually(condition: Callable[[], bool]) -> None:
    """Wait for what nobody announces, while the engine goes on."""
    for _ in range(6000):
        if condition():
            return
        await asyncio.sleep(0.005)
    raise AssertionError("it never happened")


async def nothing_is_left(engine: LocalEngine, before: tuple[int, int, int, int]) -> None:
    assert engine.factory.store.layers == 0
    await quiet(engine)

    def no_more() -> bool:
        return all(now <= then for now, then in zip(held(engine), before, strict=True))

    with contextlib.suppress(AssertionError):  # descriptors are closed by threads
        await eventually(no_more)
    assert no_more(), (held(engine), before)


async def use(engine: LocalEngine) -> None:
    """Everything that snapshots do, and all of it let go of."""
    task = await engine.create(TaskSpec())
    await out(task, "mkdir /srv/a /srv/b; echo x >/srv/a/f; head -c 9000000 /dev/zero >/srv/large")
    images = [await task.snapshot()]
    await task.exec(ProcessSpec(("/bin/sleep", "1000")))
    images.append(await task.snapshot())
    part = await task.snapshot_directory("/srv/a")
    await task.mount("/srv/b", part)
    await task.mount("/srv/b", None)
    await task.unmount("/srv/b")
    images.append(await engine.load(engine.export(images[0])))
    other = await engine.create(TaskSpec(image=images[-1]))
    images.append(await other.snapshot(end=True))
    last = await engine.create(TaskSpec(main=ProcessSpec(("true",)), image=images[-1]))
    await last.wait()
    await engine.prepare(TaskSpec(image=images[-1]))
    for image in images:
        await engine.forget(image)
    await engine.forget(part)
    await task.kill()


async def snapshot_begun(
    engine: LocalEngine, moment: int, *, busy: bool
) -> tuple[LocalTask, asyncio.Future[Snapshot]]:
    """A task with 200 files, of which a snapshot was begun so many milliseconds ago."""
    task = await engine.create(TaskSpec())
    await out(task, "echo one >/root/f; seq 1 200 | while read i; do : >/srv/$i; done")
    if busy:
        await task.exec(ProcessSpec(("/bin/sleep", "1000")))
    call = asyncio.ensure_future(task.snapshot())
    await asyncio.wait([call], timeout=moment / 1000)
    return task, call


async def test_use_leaves_nothing() -> None:
    engine = await started()
    await use(engine)
    before = await quiet(engine)
    for _ in range(3):
        await use(engine)
    await nothing_is_left(engine, before)
    await engine.close()


async def test_snapshots_that_were_given_up_at_any_moment_leave_nothing() -> None:
    engine = await started()
    await use(engine)
    before = await quiet(engine)
    for moment in range(0, 24, 2):
        for busy in (False, True):
            task, call = await snapshot_begun(engine, moment, busy=busy)
            if not call.cancel():
                await engine.forget(call.result())
            assert await out(task, "cat /root/f; ls /srv | wc -l") == "one\n200\n"
            await task.kill()
    await nothing_is_left(engine, before)
    await engine.close()


async def test_tasks_that_are_killed_during_a_snapshot_leave_nothing() -> None:
    engine = await started()
    await use(engine)
    before = await quiet(engine)
    for moment in range(0, 16, 2):
        for busy in (False, True):
            task, call = await snapshot_begun(engine, moment, busy=busy)
            await task.kill()
            try:
                image = await call
            except TaskEnded:
                continue
            copy = await engine.create(TaskSpec(image=image))
            assert await out(copy, "cat /root/f; ls /srv | wc -l") == "one\n200\n"
            await copy.kill()
            await engine.forget(image)
    await nothing_is_left(engine, before)
    await engine.close()


async def test_without_room_there_is_no_snapshot_and_the_sandbox_goes_on() -> None:
    engine = await started(store=20 * MIB)
    task = await engine.create(TaskSpec())
    await out(task, f"head -c {15 * MIB} /dev/zero >/srv/f")
    first = await task.snapshot()
    await out(task, f"head -c {15 * MIB} /dev/zero >/srv/g")
    before = held(engine)
    for _ in range(2):
        with pytest.raises(StoreFull):
            await task.snapshot()
        with pytest.raises(StoreFull):
            await task.snapshot_directory("/srv")
        await task.exec(ProcessSpec(("/bin/sleep", "1000")))
    assert held(engine)[0] == before[0]
    assert await out(task, "ls /srv") == "f\ng\n"
    await engine.forget(first)  # the task depends on it: that frees nothing
    with pytest.raises(StoreFull):
        await task.snapshot(end=True)
    assert task.poll() is not None
    assert engine.factory.store.layers == 0
    await engine.close()


async def test_a_full_disk_can_be_snapshot() -> None:
    engine = await started(disk=8 * MIB)
    task = await engine.create(TaskSpec())
    await shell(task, "cat /dev/zero >/srv/full")
    size = (await task.files.stat("/srv/full")).size
    await task.exec(ProcessSpec(("/bin/sleep", "1000")))
    for image in (await task.snapshot(), await task.snapshot(end=True)):
        copy = await engine.create(TaskSpec(image=image))
        assert (await copy.files.stat("/srv/full")).size == size
        await out(copy, "echo more >/srv/more")
    await engine.close()


@pytest.mark.parametrize("way", ["idle", "busy", "ended", "directory"])
async def test_a_zygote_that_dies_in_the_middle_takes_all_with_it(way: str) -> None:
    for moment in range(0, 12, 3):
        engine = await started()
        task = await engine.create(TaskSpec())
        await out(task, "seq 1 300 | while read i; do : >/srv/$i; done")
        if way == "busy":
            await task.exec(ProcessSpec(("/bin/sleep", "1000")))
        pid = zygote(engine)
        call = asyncio.ensure_future(
            task.snapshot_directory("/srv")
            if way == "directory"
            else task.snapshot(end=way == "ended")
        )
        await asyncio.wait([call], timeout=moment / 1000)
        helpers = children(pid)
        os.kill(pid, signal.SIGKILL)
        with contextlib.suppress(TaskEnded, EngineUnavailable):
            await call
        for one in helpers:
            await eventually(lambda pid=int(one): not is_running(pid))  # type: ignore[misc]
        with pytest.raises(EngineUnavailable):
            await engine.create(TaskSpec())
        await engine.close()


HOSTILE = {
    "fork bomb": "f() { f | f & }; f; sleep 1000",
    "ignores signals": "trap '' TERM HUP INT TSTP CONT TTIN TTOU; while :; do :; done",
    "continues others": "while :; do kill -CONT -1; done",
    "new sessions": "while :; do setsid sh -c 'echo x >>/srv/x' & done",
    "writes": "while :; do echo x >>/srv/x; mv /srv/x /srv/y; rm /srv/y; done",
    "many names": "i=0; while :; do i=$((i+1)); ln -f /etc/passwd /srv/$((i % 50)); done",
    "moves": "cd /srv; mkdir -p a/b/c; while :; do mv a/b b; mv b a/b; done",
    "swaps links": "while :; do ln -sfn /etc /srv/l; rm /srv/l; mkdir /srv/l; rmdir /srv/l; done",
}


@shared
@pytest.mark.parametrize("name", HOSTILE)
async def test_snapshots_of_hostile_programs(engine: LocalEngine, name: str) -> None:
    task = await engine.create(TaskSpec(limits=Limits(processes=200)))
    await out(task, "mkdir /srv/l; echo one >/srv/one")
    program = await task.exec(ProcessSpec(("/bin/sh", "-c", HOSTILE[name])))
    for _ in range(3):
        for image in (await task.snapshot(), await directory(task)):
            if image is not None:
                await engine.forget(image)
    image = await task.snapshot(end=True)
    assert program.poll() is not None
    copy = await engine.create(TaskSpec(image=image))
    assert await out(copy, "cat /srv/one") == "one\n"
    await copy.kill()
    await engine.forget(image)


async def directory(task: LocalTask) -> DirectorySnapshot | None:
    """A directory, by a path that may be anything at that moment."""
    try:
        return await task.snapshot_directory("/srv/l")
    except (FileNotFoundError, NotADirectoryError):
        return None


@shared
async def test_a_snapshot_of_many_files_while_others_are_served(engine: LocalEngine) -> None:
    task = await engine.create(TaskSpec())
    make = "for i in $(seq 50); do mkdir /srv/$i; (cd /srv/$i; seq 100 | xargs touch); done"
    await out(task, make)
    await task.exec(ProcessSpec(("/bin/sleep", "1000")))
    call = asyncio.ensure_future(task.snapshot())
    while not call.done():
        other = await engine.create(TaskSpec())
        await other.kill()
    image = await call
    copy = await engine.create(TaskSpec(image=image))
    assert await out(copy, "find /srv -type f | wc -l") == "5000\n"
    await engine.forget(image)
    for one in (task, copy):
        await one.kill()


async def test_two_hundred_layers_and_a_clear_end_to_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pytest_sandbox.local.engine.snapshots.layer_store.MAX_LAYERS", 200)
    engine = await started()
    task = await engine.create(TaskSpec())
    expected: dict[str, str] = {}
    for number in range(200):
        added, removed = f"{number % 50:02}", f"{(number + 7) % 11:02}"
        await write(task, f"/srv/{added}", f"{number}\n")
        expected[added] = f"{number}\n"
        if expected.pop(removed, ""):
            await task.files.remove(f"/srv/{removed}")
        image = await task.snapshot()
    listed = "".join(f"{name}:{text}" for name, text in sorted(expected.items()))
    assert await out(task, "cd /srv; grep . *") == listed
    with pytest.raises(StoreFull, match="Export a snapshot and load it again"):
        await task.snapshot()
    copy = await engine.create(TaskSpec(image=image))
    assert await out(copy, "cd /srv; grep . *") == listed
    flat = await engine.load(engine.export(image))
    copy = await engine.create(TaskSpec(image=flat))
    assert await out(copy, "cd /srv; grep . *") == listed
    assert await copy.snapshot()
    await engine.close()


async def test_half_a_stream_and_a_changed_one_leave_nothing() -> None:
    engine = await started()
    task = await engine.create(TaskSpec())
    await out(task, "echo one >/srv/f; ln /srv/f /srv/g; ln -s x /srv/l")
    data = b"".join([part async for part in engine.export(await task.snapshot())])
    await task.kill()
    await use(engine)
    before = await quiet(engine)

    async def load(content: bytes) -> None:
        async def stream() -> AsyncIterator[bytes]:
            yield content

        with pytest.raises(InvalidSpec):
            await engine.load(stream())

    for length in range(0, len(data), 97):
        await load(data[:length])
    for position in range(30, len(data), 41):
        await load(data[:position] + bytes([data[position] ^ 1]) + data[position + 1 :])
    assert await quiet(engine) == before
    await engine.close()


@shared
async def test_a_stream_with_a_part_twice_is_refused(engine: LocalEngine) -> None:
    task = await engine.create(TaskSpec())
    data = b"".join([part async for part in engine.export(await task.snapshot())])
    await task.kill()
    parts = re.findall(rb'{"enter":"[r0-9]"}', data)
    if len(parts) < 2:
        pytest.skip("needs root: without, the environment may be in no layer of its own")

    async def stream() -> AsyncIterator[bytes]:
        yield data.replace(parts[0], parts[1])

    with pytest.raises(InvalidSpec, match="cannot be loaded"):
        await engine.load(stream())


@shared
async def test_a_name_in_a_stream_cannot_lead_elsewhere(engine: LocalEngine) -> None:
    task = await engine.create(TaskSpec())
    await out(task, "mkdir /srv/aa; echo one >/srv/aa/f")
    data = b"".join([part async for part in engine.export(await task.snapshot())])

    for name in (b'".."', b'"/x"', b'"x/"', b'"."'):

        async def stream(name: bytes = name) -> AsyncIterator[bytes]:
            yield data.replace(b'"aa"', name.ljust(4))

        with pytest.raises(InvalidSpec, match="is not a valid name"):
            await engine.load(stream())
    await task.kill()


async def test_a_snapshot_stays_although_its_sandbox_cannot_go_on() -> None:
    """What was a store is a layer now, so the sandbox ends that gets no other one."""
    engine = await started()
    await use(engine)
    before = await quiet(engine)
    details: list[str] = []
    for _ in range(50):
        if len(details) > 1:
            break  # the others had their new store before the helper could be killed
        task = await engine.create(TaskSpec())
        await out(task, "echo one >/srv/f")
        agents = children(zygote(engine))
        image = await task.snapshot()
        goes_on = asyncio.ensure_future(task.files.stat("/srv/f"))
        helpers: set[str] = set()
        while not helpers and not goes_on.done():
            helpers = set(children(zygote(engine))) - set(agents)
            await asyncio.sleep(0)
        for helper in helpers:
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(helper), signal.SIGKILL)
        try:
            await goes_on
        except TaskEnded:
            end = await task.wait()
            assert end.cause is EndCause.LOST
            details.append(end.detail)
        copy = await engine.create(TaskSpec(image=image))
        assert await out(copy, "cat /srv/f") == "one\n"
        await engine.forget(image)
        for one in (task, copy):
            await one.kill()
    assert set(details) == {f"{NO_MORE}: the helper was killed"}
    await nothing_is_left(engine, before)
    await engine.close()


@needs_root
@pytest.mark.parametrize("once_more", [False, True])
async def test_a_snapshot_stays_although_there_is_no_process_for_what_comes_after_it(
    once_more: bool,
) -> None:
    """And so does the one that was ordered for the end, which has the same files."""
    engine = await started()
    await use(engine)
    before = await quiet(engine)
    limits = (Path(group, "zygote/pids.max") for group in engine.factory.zygote.cgroups)
    most = next(limit for limit in limits if limit.exists())
    task = await engine.create(TaskSpec(exit_snapshot=True))
    await out(task, "echo one >/srv/f")
    most.write_text("1")
    image = await task.snapshot()
    if once_more:
        with pytest.raises(TaskEnded):
            await task.snapshot(end=True)
    end = await task.wait()
    most.write_text("max")
    if not once_more:
        assert end.cause is EndCause.LOST
        assert end.detail == f"{NO_MORE}: clone: {os.strerror(errno.EAGAIN)}"
    for one in (image, await task.exit_snapshot()):
        copy = await engine.create(TaskSpec(image=one))
        assert await out(copy, "cat /srv/f") == "one\n"
        await copy.kill()
        await engine.forget(one)
    await nothing_is_left(engine, before)
    await engine.close()


async def test_a_snapshot_at_the_end_just_after_another_one() -> None:
    engine = await started()
    await use(engine)
    before = await quiet(engine)
    for moment in range(0, 8, 2):
        task = await engine.create(TaskSpec(exit_snapshot=True))
        await out(task, "echo one >/srv/f")
        images = [await task.snapshot()]
        await asyncio.sleep(moment / 1000)
        await task.kill()
        images.append(await task.exit_snapshot())
        for image in images:
            copy = await engine.create(TaskSpec(image=image))
            assert await out(copy, "cat /srv/f; echo two >/srv/f; cat /srv/f") == "one\ntwo\n"
            await copy.kill()
        for image in images:
            await engine.forget(image)
    await nothing_is_left(engine, before)
    await engine.close()
