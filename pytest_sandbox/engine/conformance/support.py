"""Helpers of checks: short-lived tasks, waits with a time limit, readable failures."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from errno import errorcode
from typing import TypeVar

from pytest_sandbox._shared.lazy_dataclass import dataclass

from .. import Engine, ExitStatus, Limits, Output, OutputLog, Process, ProcessSpec, Task, TaskSpec

#: Seconds to wait for something that must happen.
TIMEOUT = 60.0

SUCCESS = ExitStatus(code=0)


class Interrupted(Exception):
    """The error of a stream that breaks off in the middle."""


T = TypeVar("T")
E = TypeVar("E", bound=BaseException)


@dataclass(frozen=True)
class Finished:
    """A process that ended, and all it wrote."""

    status: ExitStatus
    stdout: bytes
    stderr: bytes


async def soon(awaitable: Awaitable[T], what: str) -> T:
    """The result of what must end in bounded time; `what` completes "never ended: ..."."""

    async def result() -> T:
        return await awaitable

    try:
        # As a coroutine: `wait_for` would leave a cancelled `gather` with an unretrieved error.
        return await asyncio.wait_for(result(), TIMEOUT)
    except asyncio.TimeoutError:
        raise AssertionError(f"never ended: {what}") from None


async def until(condition: Callable[[], bool], what: str) -> None:
    """Wait for something that nothing announces; `what` completes "never happened: ..."."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + TIMEOUT
    while not condition():
        assert loop.time() < deadline, f"never happened: {what}"
        await asyncio.sleep(0.001)


@asynccontextmanager
async def a_task(
    engine: Engine,
    *main: str,
    env: Mapping[str, str] | None = None,
    workdir: str | None = None,
    hostname: str = "sandbox",
    limits: Limits | None = None,
) -> AsyncIterator[Task]:
    """A task for the length of a `with`; its main process is `main`, if that is given."""
    spec = TaskSpec(
        main=ProcessSpec(main) if main else None,
        env=env or {},
        workdir=workdir,
        hostname=hostname,
        limits=limits or Limits(),
    )
    task = await soon(engine.create(spec), f"create({spec})")
    try:
        yield task
    finally:
        await soon(task.kill(), "kill() of a task")


async def start(
    task: Task,
    *argv: str,
    env: Mapping[str, str] | None = None,
    workdir: str | None = None,
    stdout: Output = Output.PIPE,
    stderr: Output = Output.PIPE,
) -> Process:
    """A process, started."""
    spec = ProcessSpec(argv, env=env or {}, workdir=workdir, stdout=stdout, stderr=stderr)
    return await soon(task.exec(spec), f"exec({shown(argv)})")


async def run(
    task: Task,
    *argv: str,
    stdin: bytes = b"",
    env: Mapping[str, str] | None = None,
    workdir: str | None = None,
    stdout: Output = Output.PIPE,
    stderr: Output = Output.PIPE,
) -> Finished:
    """Run a program to its end."""
    process = await start(task, *argv, env=env, workdir=workdir, stdout=stdout, stderr=stderr)
    if stdin:
        await soon(process.write_stdin(stdin), f"write_stdin({len(stdin)} bytes)")
    await soon(process.close_stdin(), "close_stdin()")
    return await finished(process, shown(argv))


async def sh(task: Task, script: str, *arguments: str) -> bytes:
    """What a shell script, which must succeed, prints."""
    done = await run(task, "/bin/sh", "-c", script, "sh", *arguments)
    assert done.status == SUCCESS, f"the shell script {script!r} ended with {done}"
    return done.stdout


async def finished(process: Process, what: str) -> Finished:
    """Wait for the end of a process and of its output."""
    stdout, stderr, status = await soon(
        asyncio.gather(content(process.stdout), content(process.stderr), process.wait()),
        f"{what}, or its output",
    )
    return Finished(status, stdout, stderr)


async def content(log: OutputLog, offset: int = 0) -> bytes:
    """All of a stream from an offset to its end."""
    return b"".join([chunk async for chunk in log.follow(offset)])


async def chunks(data: bytes = b"", size: int = 65536) -> AsyncIterator[bytes]:
    """Bytes as a stream."""
    for start in range(0, len(data), size):
        yield data[start : start + size]


async def stop(iterator: AsyncIterator[object]) -> None:
    """End a watch, or a stream that was not read to its end."""
    close: Callable[[], Awaitable[None]] = getattr(iterator, "aclose")  # noqa: B009  the ABC has none
    await soon(close(), "aclose()")


async def line(process: Process) -> bytes:
    """The first line that a process prints; what it does then has been reached."""

    async def read() -> bytes:
        seen = b""
        while b"\n" not in seen:
            chunk = await process.stdout.read(len(seen))
            assert chunk, f"the output ended before its first line: {seen!r}"
            seen += chunk
        return seen.partition(b"\n")[0]

    return await soon(read(), "the first line of output")


async def raises(kind: type[E], awaitable: Awaitable[object], what: str) -> E:
    """The exception of one kind that a call must raise; `what` names the call."""
    try:
        result = await soon(awaitable, what)
    except kind as error:
        return error
    except Exception as error:
        message = f"{what} raised {error!r}, not {kind.__name__}"
        raise AssertionError(message) from error
    raise AssertionError(f"{what} gave {result!r} instead of raising {kind.__name__}")


async def fails(number: int, awaitable: Awaitable[object], what: str) -> OSError:
    """The `OSError` with one errno that a file operation must raise."""
    error = await raises(OSError, awaitable, what)
    wanted, got = errorcode[number], errorcode.get(error.errno or 0, error.errno)
    assert error.errno == number, f"{what} failed with {got} ({error}), not {wanted}"
    return error


def shown(argv: tuple[str, ...]) -> str:
    """A command line, short enough for a message."""
    text = repr(list(argv))
    return text if len(text) < 200 else f"{text[:200]}... ({len(text)} characters)"


def equal(seen: object, expected: object, what: str) -> None:
    """Compare, and say what differs without printing megabytes."""
    assert seen == expected, f"{what}: expected {short(expected)}, got {short(seen)}"


def short(value: object) -> str:
    """A value, short enough for a message."""
    text = repr(value)
    return text if len(text) < 400 else f"{text[:200]}...{text[-200:]} ({len(text)} characters)"
