"""An engine in memory for each test, on a clock that stands still."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest_asyncio

from pytest_sandbox.engine import ExitStatus, OutputLog, ProcessSpec, Task, TaskSpec
from pytest_sandbox.fakes import FakeEngine, MemoryTask


@dataclass(frozen=True)
class Done:
    """A process that ended, and what it wrote."""

    status: ExitStatus
    stdout: bytes
    stderr: bytes


async def content(log: OutputLog) -> bytes:
    return b"".join([chunk async for chunk in log.follow()])


async def run(task: Task, *argv: str, stdin: bytes = b"") -> Done:
    """Run a command that needs no time to its end."""
    process = await task.exec(ProcessSpec(argv))
    if stdin:
        await process.write_stdin(stdin)
    await process.close_stdin()
    status = await process.wait()
    return Done(status, await content(process.stdout), await content(process.stderr))


@pytest_asyncio.fixture
async def engine() -> AsyncIterator[FakeEngine]:
    engine = FakeEngine()
    await engine.start()
    yield engine
    await engine.close()


@pytest_asyncio.fixture
async def task(engine: FakeEngine) -> MemoryTask:
    return await engine.create(TaskSpec())
