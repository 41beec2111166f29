"""Memory that belongs to no process ends the sandbox that took it, and harms nothing else.

The witnesses are a second sandbox, and the zygote, with which all sandboxes would end.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from pytest_sandbox.engine import (
    EndCause,
    EngineUnavailable,
    ProcessSpec,
    Task,
    TaskEnded,
    TaskSpec,
)
from pytest_sandbox.local import LocalEngine, LocalOptions, Mode
from pytest_sandbox.local.engine.machine import memory_shares

pytestmark = pytest.mark.asyncio(loop_scope="module")

RunInside = Callable[..., Awaitable[Any]]
Hostile = Callable[[LocalEngine, str], Awaitable[Task]]

MEBIBYTE = 1 << 20
#: What one sandbox may use, and write: more than it may use.
MEMORY, DISK = 64 * MEBIBYTE, 256 * MEBIBYTE
#: Less than one sandbox may use.
SMALL = 16 * MEBIBYTE
#: What all of them together may use in some tests.
TOGETHER = 96 * MEBIBYTE
#: Far more steps of `fill_memory.py` than should be possible.
STEPS = 100

all_modes = pytest.mark.parametrize("mode", Mode, ids=lambda mode: mode.name.lower())
all_kinds = pytest.mark.parametrize("kind", ["segments", "memfds", "files"])


async def started(options: LocalOptions) -> LocalEngine:
    if os.geteuid() != 0 and options.mode is not None and options.mode.name.startswith("ROOT"):
        pytest.skip("needs root")
    engine = LocalEngine(options)
    try:
        await engine.start()
    except EngineUnavailable as refusal:
        pytest.skip(f"this mode does not work here: {refusal}")
    return engine


async def need_memory_limit(engine: LocalEngine) -> None:
    if why := engine.factory.zygote.refused.get("memory"):
        await engine.close()
        pytest.skip(f"no memory limit: {why}")


def score_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/oom_score_adj").read_text())


@pytest_asyncio.fixture(loop_scope="module")
async def engine(mode: Mode) -> AsyncIterator[LocalEngine]:
    """An engine with little memory for a sandbox."""
    engine = await started(LocalOptions(mode=mode, memory=MEMORY, disk=DISK))
    await need_memory_limit(engine)
    yield engine
    await engine.close()


@pytest.fixture
def hostile(program: Callable[[str], str], python: str) -> Hostile:
    """A sandbox that takes memory of a kind until it is killed."""

    async def create(engine: LocalEngine, kind: str) -> Task:
        # What is in flight goes with the program; the rest stays, whatever the kernel kills.
        run = 'exec "$@"' if kind == "memfds" else 'while :; do "$@"; done'
        argv = ("/bin/sh", "-c", run, "sh", python, "-I", "-c", program("fill_memory.py"), kind)
        return await engine.create(TaskSpec(main=ProcessSpec((*argv, str(STEPS)))))

    return create


@all_modes
@all_kinds
async def test_it_ends_the_sandbox_that_took_it(
    engine: LocalEngine, kind: str, hostile: Hostile, run_inside: RunInside
) -> None:
    neighbour = await engine.create(TaskSpec())

    end = await asyncio.wait_for((await hostile(engine, kind)).wait(), 60)

    assert end.cause is EndCause.OUT_OF_MEMORY
    assert await run_inside(neighbour, "print(1)") == 1
    await neighbour.kill()


#: Sends to connections of its own until they take no more, or they hold too much.
FILL_SOCKETS = """
import socket
listener = socket.create_server(("127.0.0.1", 0), backlog=100)
ends, held = [], 0
while len(ends) < 100 and held < 128 << 20:
    end = socket.create_connection(listener.getsockname())
    ends += [end, listener.accept()[0]]
    end.setblocking(False)
    try:
        while True:
            held += end.send(bytes(1 << 18))
    except BlockingIOError:
        pass
print(held)
"""


@all_modes
async def test_what_sockets_hold_is_bounded(engine: LocalEngine, run_inside: RunInside) -> None:
    task = await engine.create(TaskSpec())
    try:
        held = await run_inside(task, FILL_SOCKETS)
    except TaskEnded:  # version 2 counts it as memory
        held = 0
    assert held < MEMORY
    await task.kill()


@all_modes
async def test_where_memory_is_not_bounded_system_v_objects_are(
    mode: Mode, run_inside: RunInside, program: Callable[[str], str]
) -> None:
    engine = await started(LocalOptions(mode=mode, memory=MEMORY, disk=SMALL))
    task = await engine.create(TaskSpec())

    for kind in ("segments", "queues", "semaphores"):
        assert await run_inside(task, program("fill_memory.py"), kind, str(STEPS)) == "ENOSPC"

    await engine.close()


@all_modes
async def test_the_kernel_kills_what_runs_in_a_sandbox_first(
    mode: Mode, run_inside: RunInside
) -> None:
    engine = await started(LocalOptions(mode=mode))
    task = await engine.create(TaskSpec())
    code = 'print([int(open(f"/proc/{p}/oom_score_adj").read()) for p in (1, "self")])'

    assert await run_inside(task, code) == [1000, 1000]

    assert score_of(engine.factory.zygote.pid) == score_of(os.getpid())
    await engine.close()


@all_modes
async def test_all_sandboxes_together_end_no_zygote(
    mode: Mode, hostile: Hostile, run_inside: RunInside, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory_shares, "for_all_sandboxes", lambda: TOGETHER)
    engine = await started(LocalOptions(mode=mode, memory=DISK, disk=DISK))
    await need_memory_limit(engine)

    tasks = [await hostile(engine, "segments") for _ in range(3)]
    ends = await asyncio.wait_for(asyncio.gather(*(task.wait() for task in tasks)), 60)

    assert {end.cause for end in ends} == {EndCause.OUT_OF_MEMORY}
    # The zygote lives, so there can be more.
    task = await engine.create(TaskSpec())
    assert await run_inside(task, "print(1)") == 1
    await engine.close()
