"""Checks of errors: commands and tasks that cannot be started."""

import asyncio
from collections.abc import Awaitable
from errno import E2BIG, EACCES, ENOENT, ENOEXEC, ENOTDIR, errorcode

from ... import (
    Engine,
    EngineError,
    InvalidSpec,
    Output,
    ProcessSpec,
    Snapshot,
    SpawnFailed,
    Task,
    TaskSpec,
    UnknownImage,
    Unsupported,
)
from ..support import a_task, equal, raises, sh, shown


async def refused(call: Awaitable[object], what: str, *numbers: int) -> SpawnFailed:
    """The `SpawnFailed` that a call must raise, with one of these errnos."""
    error = await raises(SpawnFailed, call, what)
    names = " or ".join(errorcode[number] for number in numbers)
    assert error.errno in numbers, f"{what}: errno {error.errno} ({error}), not {names}"
    return error


async def check_missing_command(engine: Engine) -> None:
    """A command that does not exist is refused with `ENOENT`, and named."""
    async with a_task(engine) as task:
        for command in ("no-such-command", "/no/such/command", "./no-such-command"):
            error = await refused(task.exec(ProcessSpec((command,))), command, ENOENT)
            assert command in str(error), f"the message does not name {command!r}: {error}"


async def check_command_is_a_directory(engine: Engine) -> None:
    """A command that is a directory is refused with `EACCES`, and named."""
    async with a_task(engine) as task:
        error = await refused(task.exec(ProcessSpec(("/tmp",))), "exec of a directory", EACCES)
        assert "/tmp" in str(error), f"the message does not name the directory: {error}"


async def check_command_is_not_executable(engine: Engine) -> None:
    """A file without the right to execute is refused with `EACCES`."""
    async with a_task(engine) as task:
        await sh(task, "echo text > /tmp/plain; chmod 644 /tmp/plain")
        await refused(task.exec(ProcessSpec(("/tmp/plain",))), "exec of a 0644 file", EACCES)


async def check_command_below_a_file(engine: Engine) -> None:
    """A path that goes through a file is refused with `ENOTDIR`."""
    async with a_task(engine) as task:
        await sh(task, ": > /tmp/file")
        await refused(task.exec(ProcessSpec(("/tmp/file/x",))), "exec below a file", ENOTDIR)


async def check_bad_interpreter(engine: Engine) -> None:
    """A script whose interpreter does not exist is refused with `ENOENT`."""
    async with a_task(engine) as task:
        await sh(task, "printf '#!/no/such/shell\\n' > /tmp/s; chmod 755 /tmp/s")
        await refused(task.exec(ProcessSpec(("/tmp/s",))), "exec of a bad script", ENOENT)


async def check_not_a_program(engine: Engine) -> None:
    """A file that is neither a program nor a script is refused with `ENOEXEC`."""
    async with a_task(engine) as task:
        await sh(task, "printf 'just text' > /tmp/text; chmod 755 /tmp/text")
        await refused(task.exec(ProcessSpec(("/tmp/text",))), "exec of a text", ENOEXEC)


async def check_too_large_argument(engine: Engine) -> None:
    """An argument longer than a kernel takes (128 KiB on Linux) is refused with `E2BIG`."""
    async with a_task(engine) as task:
        spec = ProcessSpec(("echo", "x" * 300_000))
        await refused(task.exec(spec), "exec with an argument of 300 kB", E2BIG)
        equal(await sh(task, "echo fine"), b"fine\n", "the task afterwards")


async def check_missing_workdir(engine: Engine) -> None:
    """A process cannot start in a directory that does not exist, or is no directory."""
    async with a_task(engine) as task:
        await sh(task, ": > /tmp/file")
        for directory, number in (("/no/such/directory", ENOENT), ("/tmp/file", ENOTDIR)):
            spec = ProcessSpec(("true",), workdir=directory)
            error = await refused(task.exec(spec), f"exec in {directory}", number)
            assert directory in str(error), f"the message does not name {directory!r}: {error}"


async def check_nonsense_is_refused(engine: Engine) -> None:
    """A process that no engine could start is refused with `InvalidSpec`."""
    nonsense = (
        ProcessSpec(()),
        ProcessSpec(("",)),
        ProcessSpec(("echo", "a\0b")),
        ProcessSpec(("true",), env={"A": "b\0c"}),
        ProcessSpec(("true",), env={"A\0": "b"}),
        ProcessSpec(("true",), env={"A=B": "c"}),
        ProcessSpec(("true",), env={"": "c"}),
        ProcessSpec(("true",), workdir="relative/directory"),
        ProcessSpec(("true",), workdir=""),
        ProcessSpec(("true",), workdir="/a\0b"),
        ProcessSpec(("true",), stdout=Output.STDOUT),
    )
    async with a_task(engine) as task:
        for spec in nonsense:
            await raises(InvalidSpec, task.exec(spec), f"exec({spec})")
    for spec in nonsense:
        await raises(InvalidSpec, engine.create(TaskSpec(main=spec)), f"create with {spec}")


async def check_nonsense_tasks_are_refused(engine: Engine) -> None:
    """A task that no engine could create is refused with `InvalidSpec`."""
    for spec in (
        TaskSpec(workdir="relative"),
        TaskSpec(workdir="/a\0b"),
        TaskSpec(env={"A=B": "c"}),
        TaskSpec(env={"A": "\0"}),
        TaskSpec(hostname=""),
        TaskSpec(hostname="x" * 65),
        TaskSpec(hostname="a\0b"),
    ):
        await raises(InvalidSpec, engine.create(spec), f"create({spec})")


async def check_unknown_image(engine: Engine) -> None:
    """An unknown snapshot is refused by name, also by an engine without snapshots."""
    call = engine.create(TaskSpec(image=Snapshot("no-such-image")))
    error = await raises(EngineError, call, "create with an unknown snapshot")
    assert isinstance(error, (UnknownImage, Unsupported)), f"another error: {error!r}"
    assert "no-such-image" in str(error), f"the message does not name the snapshot: {error}"


async def check_create_with_a_main_that_cannot_start(engine: Engine) -> None:
    """`create` is refused when the main process cannot be started."""
    for argv, number in ((("no-such-command",), ENOENT), (("/tmp",), EACCES)):
        spec = TaskSpec(main=ProcessSpec(argv))
        await refused(engine.create(spec), f"create with {shown(argv)}", number)


async def check_failures_leave_the_task_usable(engine: Engine) -> None:
    """Any number of refusals, at once, leave the task as it was."""

    async def fail(task: Task, number: int) -> None:
        spec = ProcessSpec((f"missing-{number}",))
        await refused(task.exec(spec), f"missing-{number}", ENOENT)

    async with a_task(engine) as task:
        await asyncio.gather(*(fail(task, number) for number in range(100)))
        equal(await sh(task, "echo fine"), b"fine\n", "the task afterwards")
