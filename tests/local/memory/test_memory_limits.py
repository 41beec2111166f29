"""Memory snapshots with the real CRIU: what cannot be one, what is refused, what is left behind."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_sandbox.engine import (
    EndCause,
    InvalidSpec,
    NotFreezable,
    StoreFull,
    TaskSpec,
    Unsupported,
    VolumeMount,
)
from pytest_sandbox.local import LocalEngine, LocalOptions, probe
from pytest_sandbox.local.engine import task as task_module
from pytest_sandbox.local.engine.snapshots.memory_snapshots import LocalMemorySnapshots

from ..conftest import is_forker, is_running, needs_root, shell, until
from ..stories import DESCENDANTS, ESTRANGED, PACKETS, STORIES, THREADS
from .talks import Talk, resumed, tells

pytestmark = [needs_root, pytest.mark.asyncio(loop_scope="module")]


@pytest.mark.parametrize(
    ("story", "words"),
    [
        (PACKETS, "CRIU says: The packetized mode for pipes is not supported"),
        (ESTRANGED, "shares a pipe with process"),
    ],
    ids=["what CRIU does not know", "relatives that are no descendants"],
)
async def test_what_cannot_be_dumped_is_named_and_goes_on(
    engine: LocalEngine, story: str, words: str
) -> None:
    source = await tells(engine, story)
    await source.asks()
    for _ in range(2):
        with pytest.raises(NotFreezable, match=r"^process \d+ \(python3 -c .*") as refusal:
            await source.task.snapshot_memory()
        assert words in str(refusal.value)
        assert "\n" not in str(refusal.value)
        await source.asks()
    await source.task.kill()


async def test_a_mounted_image_is_named(engine: LocalEngine) -> None:
    source = await tells(engine, THREADS)
    await source.task.mount("/srv", None)
    with pytest.raises(NotFreezable, match=r"^/srv is a mounted image"):
        await source.task.snapshot_memory()
    await source.task.unmount("/srv")
    image = await source.task.snapshot_memory()
    await engine.forget(image)
    await source.task.kill()


async def test_a_traced_process_cannot_be_dumped(engine: LocalEngine) -> None:
    story = """
import ctypes, os, signal
libc = ctypes.CDLL(None, use_errno=True)
child = os.fork()
if child == 0:
    libc.ptrace(0, 0, 0, 0)  # PTRACE_TRACEME
    os.kill(os.getpid(), signal.SIGTRAP)
os.waitpid(child, 0)
def reply():
    return open(f"/proc/{child}/stat").read().split()[2]
"""
    source = await tells(engine, story)
    assert await source.asks() == "t\n"
    with pytest.raises(NotFreezable, match="CRIU says"):
        await source.task.snapshot_memory()
    assert await source.asks() == "t\n"
    await source.task.kill()


async def test_only_a_freezable_task_has_memory_snapshots(engine: LocalEngine) -> None:
    task = await engine.create(TaskSpec())
    with pytest.raises(InvalidSpec, match="freezable=True"):
        await task.snapshot_memory()
    await task.kill()


async def test_a_sandbox_whose_memory_snapshot_takes_too_long_is_ended(
    engine: LocalEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never(*_: object) -> str:
        await asyncio.Event().wait()
        return ""

    task = await engine.create(TaskSpec(freezable=True))
    monkeypatch.setattr(LocalMemorySnapshots, "snapshot", never)
    monkeypatch.setattr(task_module, "SNAPSHOT_TIMEOUT", 0.01)

    with pytest.raises(NotFreezable, match=r"longer than 0.01 seconds, so the sandbox was ended"):
        await task.snapshot_memory()

    end = task.poll()
    assert end is not None
    assert end.cause is EndCause.KILLED


async def test_volumes_and_memory_do_not_go_together(engine: LocalEngine) -> None:
    volumes = (VolumeMount("v", "/v"),)
    with pytest.raises(Unsupported, match=r"^volume: not in a sandbox that can have memory"):
        await engine.create(TaskSpec(freezable=True, volumes=volumes))


async def test_the_doctor_tries_it() -> None:
    report = await asyncio.to_thread(probe)
    (finding,) = [one for one in report.findings if one.name == "memory snapshots"]
    assert finding.ok, finding
    assert "dumped and restored with CRIU " in finding.detail


async def test_images_of_files_go_both_ways(engine: LocalEngine) -> None:
    usual = await engine.create(TaskSpec())
    await shell(usual, "echo one >/srv/f; chown 7:8 /srv/f; rm /etc/fstab")
    first = await usual.snapshot()
    freezable = await engine.create(TaskSpec(image=first, freezable=True))
    look = "stat -c %u:%g /srv/f; cat /srv/f; ls /etc/fstab 2>&1 | wc -l"
    assert (await shell(freezable, look)).out == "7:8\none\n1\n"
    await shell(freezable, "echo two >>/srv/f; touch /srv/g; chown 9:9 /srv/g")
    second = await freezable.snapshot()
    usual_again = await engine.create(TaskSpec(image=second))
    assert (await shell(usual_again, look)).out == "7:8\none\ntwo\n1\n"
    assert (await shell(usual_again, "stat -c %u:%g /srv/g; echo x >>/srv/g")).out == "9:9\n"
    data = b"".join([chunk async for chunk in engine.export(second)])
    assert b"srv" in data
    for image in (first, second):
        await engine.forget(image)
    for task in (usual, freezable, usual_again):
        await task.kill()


async def test_limits_hold_for_what_is_restored(engine: LocalEngine) -> None:
    from pytest_sandbox.engine import Limits

    source = await tells(engine, "def reply(): return len(bytearray(300 << 20))")
    copy = Talk(
        await engine.create(
            TaskSpec(resume=await source.task.snapshot_memory(), limits=Limits(memory=128 << 20))
        )
    )
    assert copy.task.main is not None
    await copy.task.main.write_stdin(b"\n")
    end = await asyncio.wait_for(copy.task.wait(), 20)
    assert end.cause is EndCause.OUT_OF_MEMORY
    assert await source.asks() == f"{300 << 20}\n"
    await source.task.kill()


async def test_two_snapshots_at_once_and_one_while_it_ends(engine: LocalEngine) -> None:
    source = await tells(engine, DESCENDANTS)
    first, second = await asyncio.gather(
        source.task.snapshot_memory(), source.task.snapshot_memory()
    )
    for image in (first, second):
        copy = await resumed(engine, image)
        assert await copy.asks() == "b'X'\n"
        await copy.task.kill()
    late = asyncio.ensure_future(source.task.snapshot_memory())
    await asyncio.sleep(0)
    await source.task.kill()
    await asyncio.wait([late], timeout=20)
    assert late.done()
    late.exception()


async def test_a_full_store_is_told_and_the_source_goes_on(engine: LocalEngine) -> None:
    small = LocalEngine(LocalOptions(store=24 << 20))
    await small.start()
    source = await tells(small, "data = bytearray(b'x' * (64 << 20))\ndef reply(): return data[-1]")
    with pytest.raises(StoreFull):
        await source.task.snapshot_memory()
    assert await source.asks() == f"{ord('x')}\n"
    await small.close()


async def test_nothing_is_left_of_copies(engine: LocalEngine) -> None:
    ours, zygote = os.getpid(), (await engine.memory.ready()).zygote.pid
    filesystems = open_filesystems(ours)
    source = await tells(engine, STORIES["many megabytes"])
    image = await source.task.snapshot_memory()
    images = open_filesystems(ours) - filesystems
    assert len(images) == 1
    copies = [await resumed(engine, image) for _ in range(3)]
    for copy in copies:
        await copy.task.kill()
    await source.task.kill()
    await engine.forget(image)
    deadline = asyncio.get_running_loop().time() + 30
    while not all(map(is_forker, descendants(zygote))):  # what gave pages to the copies is gone
        assert asyncio.get_running_loop().time() < deadline
        await engine.memory.make_room()  # else there may be a sandbox that was made ahead
        await asyncio.sleep(0.01)
    # The kernel frees a file system with the last descriptor and mount of it. Only those helpers
    # had it mounted, each in a mount namespace of its own.
    assert not images & (open_filesystems(ours) | open_filesystems(zygote))


def descendants(pid: int) -> list[int]:
    """Processes of the machine that a process started, and those that they started."""
    parents = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            with contextlib.suppress(OSError):
                status = Path(f"/proc/{name}/stat").read_text()
                parents[int(name)] = int(status.rpartition(")")[2].split()[1])
    found = [pid]
    for one in found:  # which grows
        found += [child for child, parent in parents.items() if parent == one]
    return found[1:]


def open_filesystems(pid: int) -> set[int]:
    """Device numbers of the file systems of which a process has a directory open."""
    found = set()
    for name in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(FileNotFoundError):  # it listed the directory itself
            info = os.stat(f"/proc/{pid}/fd/{name}")
            if stat.S_ISDIR(info.st_mode):
                found.add(info.st_dev)
    return found


ENGINE = """
import asyncio
from pytest_sandbox.engine import ProcessSpec, TaskSpec
from pytest_sandbox.local import LocalEngine

async def main():
    engine = LocalEngine()
    await engine.start()
    code = "import time; data = bytearray(b'7' * (100 << 20)); print(1, flush=True)"
    code += "; time.sleep(100000)"
    task = await engine.create(
        TaskSpec(main=ProcessSpec(("python3", "-c", code)), freezable=True)
    )
    await task.main.stdout.read(0)
    image = await task.snapshot_memory()
    print("begin", flush=True)
    while True:
        copy, again = await asyncio.gather(
            engine.create(TaskSpec(resume=image)), task.snapshot_memory()
        )
        await engine.forget(again)
        print("round", flush=True)

asyncio.run(main())
"""


@pytest.mark.parametrize("rounds", range(3))
async def test_nothing_is_left_of_an_engine_that_is_killed_at_work(rounds: int) -> None:
    command = [sys.executable, "-c", ENGINE]
    victim = subprocess.Popen(command, stdout=subprocess.PIPE)  # noqa: ASYNC220 - it is killed
    assert victim.stdout is not None
    for _ in range(rounds + 1):
        victim.stdout.readline()
    started = descendants(victim.pid)
    victim.send_signal(signal.SIGKILL)
    victim.wait()
    victim.stdout.close()
    until(lambda: not any(map(is_running, started)), "its processes are gone")
