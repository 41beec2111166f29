"""Checks of the life, the end and the isolation of tasks."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from signal import SIGKILL

from ... import EndCause, Engine, ExitStatus, ProcessSpec, Task, TaskEnd, TaskEnded, TaskSpec
from ..check import isolated
from ..support import (
    SUCCESS,
    a_task,
    chunks,
    content,
    equal,
    fails,
    finished,
    line,
    raises,
    run,
    sh,
    soon,
    start,
)

KILLED = ExitStatus(signal=SIGKILL)


async def check_a_task_without_main_lives_until_killed(engine: Engine) -> None:
    """A task without a main process lives until it is killed."""
    async with a_task(engine) as task:
        assert task.main is None, f"main of a task that has none: {task.main}"
        equal((await run(task, "true")).status, SUCCESS, "true")
        assert task.poll() is None, f"the task ended with another process: {task.poll()}"
        await soon(task.kill(), "kill()")
        end = await soon(task.wait(), "wait() after kill()")
        equal((end.cause, end.status), (EndCause.KILLED, None), "the end")
        equal(task.poll(), end, "poll() after the end")


async def check_main_has_input_and_output(engine: Engine) -> None:
    """The main process is a process like any other."""
    async with a_task(engine, "/bin/sh", "-c", "cat; echo err >&2; exit 9") as task:
        assert task.main is not None, "a task with a main process has no main"
        await task.main.write_stdin(b"hello\n")
        await task.main.close_stdin()
        done = await finished(task.main, "main")
        equal((done.status.code, done.stdout, done.stderr), (9, b"hello\n", b"err\n"), "main")


async def check_the_task_ends_with_main(engine: Engine) -> None:
    """When the main process ends, however it does, the task has ended and says how."""
    for script, status in (
        ("exit 0", SUCCESS),
        ("exit 3", ExitStatus(code=3)),
        ("kill -15 $$", ExitStatus(signal=15)),
    ):
        async with a_task(engine, "/bin/sh", "-c", script) as task:
            end = await soon(task.wait(), f"a task whose main does {script!r}")
            equal((end.cause, end.status), (EndCause.EXITED, status), script)
            assert task.main is not None, "a task with a main process has no main"
            equal(task.main.poll(), status, "main.poll() after the end of the task")


async def check_main_takes_all_processes_along(engine: Engine) -> None:
    """When the main process ends, all others are killed, those in the background too."""
    async with a_task(engine, "cat") as task:
        assert task.main is not None, "a task with a main process has no main"
        other = await start(task, "/bin/sh", "-c", "sleep 100000 & echo ready; cat")
        await line(other)
        waiting = asyncio.ensure_future(finished(other, "a process of an ended task"))
        await task.main.close_stdin()
        equal((await soon(waiting, "its pending wait()")).status, KILLED, "its status")


async def check_output_outlives_the_task(engine: Engine) -> None:
    """What processes wrote can be read after the end of the task."""
    async with a_task(engine, "/bin/sh", "-c", "echo main; cat") as task:
        assert task.main is not None, "a task with a main process has no main"
        other = await start(task, "/bin/sh", "-c", "echo other; cat")
        await line(other)
        await line(task.main)
        await soon(task.kill(), "kill()")
        equal(await soon(content(other.stdout), "output"), b"other\n", "output of a process")
        equal(await soon(content(task.main.stdout), "output"), b"main\n", "output of main")


async def check_kill_is_idempotent(engine: Engine) -> None:
    """`kill` may be called again, at the same time and later, and changes nothing then."""
    async with a_task(engine, "cat") as task:
        await soon(asyncio.gather(*(task.kill() for _ in range(5))), "five kill()s")
        end = await soon(task.wait(), "wait()")
        await soon(task.kill(), "a late kill()")
        equal(await soon(task.wait(), "wait()"), end, "the end after a late kill()")
        equal(end.cause, EndCause.KILLED, "the cause")


async def check_kill_after_the_end_changes_nothing(engine: Engine) -> None:
    """Killing a task that ended by itself does not rewrite how it ended."""
    async with a_task(engine, "true") as task:
        end = await soon(task.wait(), "a task whose main is true")
        await soon(task.kill(), "a late kill()")
        equal((task.poll(), end), (TaskEnd(EndCause.EXITED, SUCCESS), end), "the end")


async def check_many_wait_for_the_task(engine: Engine) -> None:
    """Any number of callers can wait for the end of a task; a cancelled wait disturbs no other."""
    async with a_task(engine, "cat") as task:
        waits = [asyncio.ensure_future(task.wait()) for _ in range(10)]
        await asyncio.sleep(0)
        waits.pop().cancel()
        assert task.main is not None, "a task with a main process has no main"
        await task.main.close_stdin()
        ends = await soon(asyncio.gather(*waits), "nine wait()s for one task")
        equal(ends, [TaskEnd(EndCause.EXITED, SUCCESS)] * 9, "nine wait()s")


async def check_after_the_end_calls_are_refused(engine: Engine) -> None:
    """After the end every call that needs the task raises `TaskEnded`."""
    async with a_task(engine) as task:
        file = await task.files.open("/tmp/f", os.O_RDWR | os.O_CREAT)
        await soon(task.kill(), "kill()")
        for what, call in calls(task).items():
            await raises(TaskEnded, call(), f"{what} after the end")
        await raises(TaskEnded, file.pread(0, 1), "pread after the end")
        await raises(TaskEnded, file.pwrite(0, b"x"), "pwrite after the end")
        await soon(file.close(), "close() of a file after the end")


def calls(task: Task) -> dict[str, Callable[[], Awaitable[object]]]:
    """Every call that needs a live task, by name."""
    files = task.files

    return {
        "exec": lambda: task.exec(ProcessSpec(("true",))),
        "open": lambda: files.open("/tmp/f", os.O_RDONLY),
        "stat": lambda: files.stat("/tmp"),
        "listdir": lambda: files.listdir("/tmp"),
        "mkdir": lambda: files.mkdir("/tmp/d"),
        "remove": lambda: files.remove("/tmp/d"),
        "replace": lambda: files.replace("/tmp/f", "/tmp/g"),
        "watch": lambda: anext(files.watch("/tmp")),
        "pack": lambda: anext(files.pack("/tmp")),
        "unpack": lambda: files.unpack("/tmp/u", chunks()),
    }


async def check_pending_calls_end_with_the_task(engine: Engine) -> None:
    """Every call that is under way when the task ends, ends with it."""
    async with a_task(engine) as task:
        process = await start(task, "sleep", "100000")
        pending = {
            "wait": asyncio.ensure_future(process.wait()),
            "task.wait": asyncio.ensure_future(task.wait()),
            "read": asyncio.ensure_future(process.stdout.read(0)),
            "write_stdin": asyncio.ensure_future(process.write_stdin(b"x" * 4_000_000)),
            "watch": asyncio.ensure_future(anext(task.files.watch("/tmp"))),
        }
        await sh(task, "true")
        done = [what for what, future in pending.items() if future.done()]
        assert not done, f"these ended before the task did: {done}"
        await soon(task.kill(), "kill()")
        _, left = await asyncio.wait(pending.values(), timeout=30)
        hanging = [what for what, future in pending.items() if future in left]
        assert not hanging, f"these never ended: {hanging}"
        equal(await pending["wait"], KILLED, "a pending wait()")
        equal(await pending["read"], b"", "a pending read()")
        await raises(BrokenPipeError, pending["write_stdin"], "a pending write_stdin()")
        await raises(TaskEnded, pending["watch"], "a pending watch")


async def check_exec_while_the_task_ends(engine: Engine) -> None:
    """An `exec` that races with the end gives a killed process or raises `TaskEnded`."""
    for turns in range(10):
        async with a_task(engine) as task:
            execs = [asyncio.ensure_future(task.exec(ProcessSpec(("cat",)))) for _ in range(5)]
            for _ in range(turns):
                await asyncio.sleep(0)
            await soon(task.kill(), "kill()")
            for result in await soon(asyncio.gather(*execs, return_exceptions=True), "exec"):
                if isinstance(result, BaseException):
                    assert isinstance(result, TaskEnded), f"exec during the end: {result!r}"
                else:
                    equal(await soon(result.wait(), "cat"), KILLED, "a process of an ended task")


async def check_files_are_private(engine: Engine) -> None:
    """A task begins with an empty `/tmp`, and never sees what another one writes."""
    async with a_task(engine) as one, a_task(engine) as other:
        await sh(one, "echo secret > /tmp/one; mkdir -p /srv/one /var/one /root/one")
        script = "ls /tmp; for d in /srv/one /var/one /root/one; do test -e $d && echo $d; done; :"
        equal(await sh(other, script), b"", "what another task sees")
        await fails(2, other.files.stat("/tmp/one"), "stat of a file in another task")
    async with a_task(engine) as later:
        equal(await sh(later, script), b"", "what a later task sees")


async def check_environments_are_private(engine: Engine) -> None:
    """A task never sees the environment of another one."""
    async with a_task(engine, env={"MINE": "1"}) as one, a_task(engine) as other:
        equal(await sh(one, "echo $MINE"), b"1\n", "its own environment")
        equal(await sh(other, "echo $MINE"), b"\n", "the environment of another task")


async def check_one_end_leaves_the_others_alone(engine: Engine) -> None:
    """The end of one task leaves the others alive."""
    async with a_task(engine, "cat") as one, a_task(engine, "cat") as other:
        await soon(one.kill(), "kill()")
        assert other.poll() is None, f"another task ended too: {other.poll()}"
        equal(await sh(other, "echo alive"), b"alive\n", "another task")


@isolated("the system is the machine's, and cannot be changed")
async def check_the_system_can_be_changed_inside(engine: Engine) -> None:
    """Inside, root may write almost anywhere; it changes that task alone."""
    async with a_task(engine) as one, a_task(engine) as other:
        await sh(one, "echo changed > /etc/changed; echo x >> /etc/passwd; mkdir -p /opt/new/x")
        equal(await sh(one, "cat /etc/changed"), b"changed\n", "the changed file")
        script = "test -e /etc/changed || test -e /opt/new || echo clean"
        equal(await sh(other, script), b"clean\n", "another task")


async def check_twenty_tasks_at_once(engine: Engine) -> None:
    """Tasks can be created, used and ended all at the same time."""

    async def one(number: int) -> None:
        async with a_task(engine, env={"NUMBER": str(number)}) as task:
            await sh(task, "echo $NUMBER > /tmp/number")
            equal(await sh(task, "cat /tmp/number"), b"%d\n" % number, f"task {number}")

    await soon(asyncio.gather(*(one(number) for number in range(20))), "twenty tasks")


async def check_a_cancelled_create_leaves_the_engine_usable(engine: Engine) -> None:
    """Giving up on `create`, at whatever moment, harms neither the engine nor other tasks."""
    for turns in range(0, 40, 2):
        call = asyncio.ensure_future(engine.create(TaskSpec(main=ProcessSpec(("cat",)))))
        for _ in range(turns):
            await asyncio.sleep(0)
        call.cancel()
        await asyncio.wait([call])
        if not call.cancelled() and call.exception() is None:
            await soon(call.result().kill(), "kill()")
    async with a_task(engine) as task:
        equal(await sh(task, "echo fine"), b"fine\n", "the engine afterwards")
