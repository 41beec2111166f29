"""Agents and their jobs that are stopped, killed, or get no time: every call ends."""

import asyncio
import os
import signal
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from pytest_sandbox.engine import (
    EndCause,
    ExitStatus,
    ProcessSpec,
    TaskEnded,
    TaskSpec,
)
from pytest_sandbox.local import LocalEngine, Mode
from pytest_sandbox.local.agents import agent_link

from .conftest import needs_root, only_child, shell, zygote_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


@pytest.mark.asyncio
async def test_a_program_cannot_kill_its_agent(fresh: LocalEngine) -> None:
    task = await fresh.create(TaskSpec())
    done = await shell(task, "kill -9 1; kill -TERM 1; kill -INT 1; kill -CHLD 1; echo alive")
    assert done.out == "alive\n"
    assert task.poll() is None


@pytest.mark.asyncio
async def test_a_job_that_is_killed_inside_is_an_error_of_that_call(fresh: LocalEngine) -> None:
    task = await fresh.create(TaskSpec())
    watch = task.files.watch("/tmp")
    pending = asyncio.ensure_future(anext(watch))
    # The job is a child of PID 1 that runs no program of its own.
    script = (
        "for p in /proc/[0-9]*; do n=${p#/proc/}; test $n != 1 || continue; "
        "grep -q '^pytest-sandbox' $p/cmdline 2>/dev/null && kill -9 $n && exit; done; exit 1"
    )
    while (await shell(task, script)).code != 0:
        pass
    with pytest.raises(OSError, match="the file job in the sandbox was killed"):
        await asyncio.wait_for(pending, 30)
    assert (await shell(task, "echo fine")).out == "fine\n"


@pytest.mark.asyncio
@pytest.mark.parametrize("seconds", [1, 1000])
async def test_a_job_that_is_stopped_inside_goes_on_or_is_an_error_of_that_call(
    fresh: LocalEngine, seconds: int
) -> None:
    """Once stopped it is resumed; if that happens for ever, it is killed."""
    task = await fresh.create(TaskSpec())
    watch = task.files.watch("/tmp")
    pending = asyncio.ensure_future(anext(watch))
    await asyncio.sleep(0)
    while not (await shell(task, f"{JOBS} test $n = 1 || echo $n; done")).out:
        pass
    if seconds == 1:
        assert (await shell(task, f"{JOBS} test $n = 1 || kill -STOP $n; done")).code == 0
        await task.files.mkdir("/tmp/x")
        assert (await asyncio.wait_for(pending, 30)).paths == ("/tmp/x",)
    else:
        script = f"while :; do {JOBS} test $n = 1 || kill -STOP $n || exit; done; done"
        stopping = asyncio.ensure_future(shell(task, script))
        with pytest.raises(OSError, match="the file job in the sandbox was killed"):
            await asyncio.wait_for(pending, 60)
        stopping.cancel()
    await task.kill()


#: Says which children of PID 1 run no program of their own, and PID 1; to be continued.
JOBS = (
    "for p in /proc/[0-9]*; do n=${p#/proc/}; "
    "grep -q '^pytest-sandbox' $p/cmdline 2>/dev/null || continue;"
)


@pytest.mark.asyncio
@pytest.mark.parametrize("call", ["exec", "signal", "stat", "listdir", "snapshot", "connect"])
async def test_an_agent_that_does_not_answer_ends_its_sandbox(
    fresh: LocalEngine, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    """As one whose child a program stops between vfork(2) and execve(2)."""
    task = await fresh.create(TaskSpec())
    process = await task.exec(ProcessSpec(("sleep", "1000")))
    calls: dict[str, Callable[[], Awaitable[object]]] = {
        "exec": lambda: task.exec(ProcessSpec(("true",))),
        "signal": lambda: process.signal(signal.SIGKILL),
        "stat": lambda: task.files.stat("/"),
        "listdir": lambda: task.files.listdir("/"),
        "snapshot": lambda: task.snapshot(),
        "connect": lambda: task.connect(80),
    }
    agent = only_child(zygote_of(fresh))
    monkeypatch.setattr(agent_link, "ANSWER_TIMEOUT", 0.2)  # now that it has answered
    monkeypatch.setattr(agent_link, "PAUSE_TIMEOUT", 0.0)
    os.kill(agent, signal.SIGSTOP)

    with suppress(TaskEnded):
        await asyncio.wait_for(calls[call](), 30)

    end = await asyncio.wait_for(task.wait(), 30)
    assert end.cause is EndCause.LOST
    assert end.detail == (
        "its agent did not answer for 0.2 seconds: a program in the sandbox stops what it starts, "
        "or leaves it no time"
    )
    assert await asyncio.wait_for(process.wait(), 30) == ExitStatus(signal=signal.SIGKILL)


@pytest.mark.asyncio
async def test_an_engine_that_was_stopped_itself_blames_no_agent(
    fresh: LocalEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agent_link, "ANSWER_TIMEOUT", 0.2)
    task = await fresh.create(TaskSpec())
    pending = [asyncio.ensure_future(task.files.stat("/")) for _ in range(3)]
    await asyncio.sleep(0)
    time.sleep(0.5)  # noqa: ASYNC251 - stops the event loop, and so the engine
    assert [(await each).path for each in pending] == ["/"] * 3
    await asyncio.sleep(0.3)
    assert task.poll() is None


#: Starts programs as the agent does, and stops all that there is.
STOPPING = """
import os, signal, time
end = time.monotonic() + 60
print("begins", flush=True)
while time.monotonic() < end:
    try:
        os.kill(-1, signal.SIGSTOP)
    except ProcessLookupError:
        pass
"""


@pytest.mark.asyncio
@pytest.mark.parametrize("moded", [Mode.ROOT_SHIFTED, Mode.ROOT_PLAIN, Mode.SINGLE], indirect=True)
async def test_a_program_that_stops_all_others_holds_no_call_for_long(moded: LocalEngine) -> None:
    """What the agent waits for in the kernel is resumed from outside, or killed."""
    task = await moded.create(TaskSpec())
    stopping = await task.exec(ProcessSpec((sys.executable, "-c", STOPPING)))
    assert await stopping.stdout.read(0) == b"begins\n"
    slow = 0
    while slow < 3:
        began = time.monotonic()
        process = await task.exec(ProcessSpec(("sleep", "1000")))
        await process.signal(signal.SIGKILL)
        assert await process.wait() == ExitStatus(signal=signal.SIGKILL)
        took = time.monotonic() - began
        assert took < 5  # 0.75 on an idle machine; the sandbox would be ended after 10
        slow += took > 0.2
    assert task.poll() is None


#: Leaves the first processor no time.
CROWD = """
import os
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
for number in range(100):
    if os.fork() == 0:
        while True:
            pass
print("busy", flush=True)
os.wait()
"""


@needs_root
@pytest.mark.asyncio
@pytest.mark.parametrize("by", ["kill", "close"])
async def test_a_sandbox_ends_although_its_pid_1_gets_no_time_to_end(
    fresh: LocalEngine, by: str
) -> None:
    """What is left of it 0.5 seconds after it was killed is killed from outside."""
    task = await fresh.create(TaskSpec())
    crowd = await task.exec(ProcessSpec((sys.executable, "-c", CROWD)))
    assert await crowd.stdout.read(0) == b"busy\n"
    agent = only_child(zygote_of(fresh))
    os.sched_setaffinity(agent, {min(os.sched_getaffinity(agent))})
    os.sched_setscheduler(agent, os.SCHED_IDLE, os.sched_param(0))

    if by == "kill":
        await asyncio.wait_for(task.kill(), 10)
    else:
        os.kill(zygote_of(fresh), signal.SIGTERM)
        await asyncio.wait_for(task.wait(), 10)


@pytest.mark.asyncio
async def test_programs_do_not_put_pid_1_behind_themselves(moded: LocalEngine) -> None:
    """By the group of the scheduler that it is in: sched(7), "The autogroup feature"."""
    task = await moded.create(TaskSpec())
    await shell(task, "echo 19 > /proc/1/autogroup")
    assert "nice 19" not in (await shell(task, "cat /proc/1/autogroup")).out
