"""The engine in memory beyond what the contract asks of every engine."""

import asyncio
import gc
import os
import signal

import pytest

from pytest_sandbox.engine import (
    EndCause,
    EngineUnavailable,
    ExitStatus,
    ProcessSpec,
    PtySize,
    SystemClock,
    Task,
    TaskEnd,
    TaskSpec,
)
from pytest_sandbox.engines import load_engine
from pytest_sandbox.fakes import Call, FakeEngine, MemoryTask, VirtualClock

from .conftest import content, run

pytestmark = pytest.mark.asyncio


async def test_the_engine_has_a_name_to_load_it_by() -> None:
    engine = load_engine("fake")
    assert isinstance(engine, FakeEngine)
    assert isinstance(engine.clock, SystemClock)
    with pytest.raises(EngineUnavailable, match="has no option 'speed'"):
        load_engine("fake", {"speed": "9"})


async def test_an_engine_that_was_not_started_says_so() -> None:
    with pytest.raises(EngineUnavailable, match="not started"):
        await FakeEngine().create(TaskSpec())


async def test_files_of_the_engine_are_in_every_sandbox() -> None:
    engine = FakeEngine(files={"/srv/app/a.txt": "text", "/etc/b": b"\xff"})
    await engine.start()
    for _ in range(2):
        task = await engine.create(TaskSpec())
        assert (await run(task, "cat", "/srv/app/a.txt", "/etc/b")).stdout == b"text\xff"
        await run(task, "rm", "/srv/app/a.txt")
    await engine.close()


async def test_a_full_disk_is_enospc_until_something_is_removed() -> None:
    engine = FakeEngine(disk=1_000_000)
    await engine.start()
    task = await engine.create(TaskSpec())
    done = await run(task, "sh", "-c", "yes > /tmp/f; echo $?; rm /tmp/f; yes | head -c 9 > /tmp/g")
    assert done.stdout == b"1\n"
    assert b"No space left on device" in done.stderr
    assert (await task.files.stat("/tmp/g")).size == 9
    await engine.close()


async def test_a_handler_that_ignores_its_end_is_reported(engine: FakeEngine, task: Task) -> None:
    released = asyncio.Event()

    async def stubborn(call: Call) -> None:
        while not released.is_set():
            try:
                await released.wait()
            except asyncio.CancelledError:  # noqa: PERF203  what a stubborn handler does
                continue

    engine.on_exec("stubborn").calls(stubborn)
    process = await task.exec(ProcessSpec(("stubborn",)))
    await asyncio.sleep(0)
    await task.kill()
    assert (await process.wait()).signal == signal.SIGKILL
    assert "the handler of stubborn still runs though its process was killed" in engine.problems[0]
    released.set()


async def test_a_handler_can_end_the_sandbox_it_runs_in(engine: FakeEngine, task: Task) -> None:
    async def suicide(call: Call) -> None:
        await task.kill()

    engine.on_exec("suicide").calls(suicide)
    process = await task.exec(ProcessSpec(("suicide",)))
    assert (await process.wait()).signal == signal.SIGKILL
    assert await task.wait() == TaskEnd(EndCause.KILLED)


async def test_nothing_is_left_running_after_close(engine: FakeEngine, task: Task) -> None:
    await task.exec(ProcessSpec(("sh", "-c", "sleep 99 & cat | cat")))
    await task.exec(ProcessSpec(("cat",), pty=PtySize()))
    await asyncio.sleep(0)
    await engine.close()
    others = asyncio.all_tasks() - {asyncio.current_task()}
    assert [each for each in others if "MemoryProcess" in repr(each) or "Proc" in repr(each)] == []


async def test_a_stopped_process_goes_on_when_continued(task: Task) -> None:
    process = await task.exec(ProcessSpec(("cat",)))
    await process.signal(signal.SIGSTOP)
    await process.write_stdin(b"held\n")
    await run(task, "true")
    stopped = process.stdout.tail(9)
    await process.signal(signal.SIGCONT)
    assert await process.stdout.read(0) == b"held\n"
    assert stopped == b""
    await process.signal(signal.SIGSTOP)
    await process.signal(signal.SIGKILL)
    assert await process.wait() == ExitStatus(signal=9)


async def test_a_terminal_can_be_made_raw_and_silent(task: Task) -> None:
    script = "stty raw -echo; echo ready; head -c 3; stty sane; echo end"
    process = await task.exec(ProcessSpec(("sh", "-c", script), pty=PtySize()))
    while b"ready" not in process.stdout.tail(99):
        await process.stdout.read(process.stdout.end)
    await process.write_stdin(b"a\x03b")
    await process.wait()
    assert await content(process.stdout) == b"ready\na\x03bend\r\n"


async def test_descriptions_of_a_process_tree_are_closed_with_it(
    engine: FakeEngine, task: MemoryTask
) -> None:
    await run(
        task, "sh", "-c", "exec 3< /etc/passwd; (exec 4> /tmp/f; cat <&3) | cat; : < /dev/null"
    )
    assert (await run(task, "ls", "/tmp")).stdout == b"f\n"
    process = await task.exec(ProcessSpec(("sh", "-c", "exec 3> /tmp/g; rm /tmp/g; cat")))
    await process.signal(9)
    await process.wait()
    file = await task.files.open("/tmp/f", os.O_RDONLY)
    await file.close()
    assert task.kernel.fs.disk._handles == {}


async def test_time_of_files_is_that_of_the_clock(engine: FakeEngine, task: Task) -> None:
    assert isinstance(engine.clock, VirtualClock)
    await engine.clock.advance(1.5)
    await run(task, "touch", "/tmp/f")
    assert (await task.files.stat("/tmp/f")).mtime_ns == 1_000_000_001_500_000_000


async def test_many_sandboxes_leave_no_memory_behind(engine: FakeEngine) -> None:
    async def one() -> None:
        task = await engine.create(TaskSpec(main=ProcessSpec(("cat",))))
        await run(task, "sh", "-c", "echo x > /tmp/x; cat /tmp/x | wc -c")
        await task.kill()

    for _ in range(5):
        await one()
    gc.collect()
    before = len(gc.get_objects())
    for _ in range(50):
        await one()
    gc.collect()
    assert len(gc.get_objects()) - before < 1000
