"""A hostile program takes what it may have, and no more."""

import asyncio
import errno
import os
import signal
import time
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from pytest_sandbox.engine import (
    Capability,
    EndCause,
    EngineInfo,
    Limits,
    ProcessSpec,
    SpawnFailed,
    Task,
    TaskSpec,
)
from pytest_sandbox.local import LocalEngine, LocalOptions, Mode
from pytest_sandbox.local.engine.links.zygote_link import ZygoteLink
from pytest_sandbox.local.engine.machine.host_image import host_image
from pytest_sandbox.local.engine.machine.mode_refused import ModeRefused
from pytest_sandbox.local.engine.machine.modes import check_process_bound

from .conftest import need_users, shell

MEBIBYTE = 2**20
DISK = 16 * MEBIBYTE


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def started() -> AsyncIterator[tuple[LocalEngine, EngineInfo]]:
    engine = LocalEngine(LocalOptions(disk=DISK, processes=40))
    info = await engine.start()
    yield engine, info
    await engine.close()


@pytest.fixture
def small(started: tuple[LocalEngine, EngineInfo]) -> LocalEngine:
    return started[0]


module_loop = pytest.mark.asyncio(loop_scope="module")


@module_loop
@pytest.mark.parametrize("folder", ["/tmp", "/root", "/dev/shm", "/var/lib"])
async def test_a_full_disk_is_full_inside_and_nowhere_else(small: LocalEngine, folder: str) -> None:
    one, two = await small.create(TaskSpec()), await small.create(TaskSpec())
    done = await shell(one, f"head -c 100000000 /dev/zero > {folder}/big; stat -c %s {folder}/big")
    assert "No space left on device" in done.err
    assert int(done.out) <= DISK
    file = await one.files.open(f"{folder}/more", os.O_CREAT | os.O_WRONLY)
    with pytest.raises(OSError, match="No space left") as caught:
        await file.pwrite(0, bytes(MEBIBYTE))
    assert caught.value.errno == errno.ENOSPC
    assert (await shell(two, f"echo fits > {folder}/f && cat {folder}/f")).out == "fits\n"
    assert (await shell(one, f"rm {folder}/big && echo x > {folder}/f && echo again")).out
    await one.kill()
    await two.kill()


@module_loop
async def test_names_without_contents_fill_the_disk_too(small: LocalEngine) -> None:
    task = await small.create(TaskSpec())
    done = await shell(task, "i=0; while true > /tmp/$i; do i=$((i+1)); done 2>/dev/null; echo $i")
    assert 1000 < int(done.out) < 20_000
    await task.kill()


async def fill(task: Task) -> tuple[int, SpawnFailed]:
    """Start processes until one more is refused: how many there were, and the refusal."""
    for count in range(1000):
        try:
            await task.exec(ProcessSpec(("sleep", "1000")))
        except SpawnFailed as refusal:  # noqa: PERF203 - it ends the loop
            return count, refusal
    raise AssertionError("there is no bound")


@module_loop
async def test_a_fork_bomb_fails_to_fork_and_dies_with_its_sandbox(small: LocalEngine) -> None:
    task = await small.create(TaskSpec())
    bomb = await task.exec(
        ProcessSpec(("/bin/sh", "-c", "trap '' TERM; bomb() { bomb | bomb & }; bomb; wait"))
    )
    _, refusal = await fill(task)
    assert refusal.errno == errno.EAGAIN
    assert "processes" in str(refusal)
    await bomb.signal(signal.SIGTERM)
    await asyncio.wait_for(task.kill(), 30)
    other = await small.create(TaskSpec())
    assert (await shell(other, "echo fine")).out == "fine\n"
    await other.kill()


@module_loop
async def test_the_number_of_processes_is_as_asked_for(small: LocalEngine) -> None:
    task = await small.create(TaskSpec(limits=Limits(processes=5)))
    started, _ = await fill(task)
    assert 5 <= started <= 7  # PID 1 has one, and keeps one for its jobs
    await task.kill()


@module_loop
async def test_processes_are_bounded_whatever_user_they_become(small: LocalEngine) -> None:
    """One user's processes are bounded by the kernel; a sandbox has thousands of users."""
    need_users(small)
    if "pids" in small.factory.zygote.refused:
        pytest.skip(f"no pids cgroup: {small.factory.zygote.refused['pids']}")
    task = await small.create(TaskSpec(limits=Limits(processes=20)))
    script = (
        "for u in 1 2 3 4 5 6 7 8; do for n in 1 2 3 4 5; do "
        "setpriv --reuid=$u --clear-groups sleep 1000 & done; done 2>/dev/null; "
        "set -- /proc/[0-9]*; echo $#"
    )
    done = await shell(task, script)
    assert done.code != 0 or int(done.out or 0) <= 22
    await task.kill()


@module_loop
async def test_memory_ends_the_main_process_and_the_task_says_why(
    started: tuple[LocalEngine, EngineInfo],
) -> None:
    engine, info = started
    if Capability.MEMORY_LIMIT not in info.capabilities:
        pytest.skip(f"no memory limit: {info.details}")
    main = ProcessSpec(("/bin/sh", "-c", "exec tail /dev/zero"))
    task = await engine.create(TaskSpec(main=main, limits=Limits(memory=48 * MEBIBYTE)))
    end = await asyncio.wait_for(task.wait(), 60)
    assert end.cause is EndCause.OUT_OF_MEMORY
    assert end.status is not None
    assert end.status.signal == signal.SIGKILL


@module_loop
async def test_a_processor_limit_leaves_the_rest_to_others(
    started: tuple[LocalEngine, EngineInfo],
) -> None:
    engine, info = started
    if Capability.CPU_LIMIT not in info.capabilities:
        pytest.skip(f"no cpu limit: {info.details}")
    task = await engine.create(TaskSpec(limits=Limits(cpus=0.1)))
    before = time.monotonic()
    done = await shell(
        task, "i=0; while [ $i -lt 200000 ]; do i=$((i + 1)); done; cat /proc/$$/stat"
    )
    elapsed = time.monotonic() - before
    used = sum(map(int, done.out.rpartition(")")[2].split()[11:13])) / os.sysconf("SC_CLK_TCK")
    assert used < elapsed * 0.5
    await task.kill()


def test_without_a_bound_on_processes_root_inside_may_not_be_root_outside(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The kernel exempts the machine's root from its bound per user; so the mode is refused."""
    monkeypatch.setattr("os.geteuid", lambda: 0)
    image = host_image(root=True)
    zygote = ZygoteLink(Mode.ROOT_IDENTITY, LocalOptions(), image)
    zygote.refused = {"pids": "there is none"}
    with pytest.raises(ModeRefused, match="there is none"):
        check_process_bound(zygote)
    zygote.controllers = ["pids"]
    check_process_bound(zygote)
