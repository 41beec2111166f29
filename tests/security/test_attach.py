"""Debuggers get at a sandbox's own programs, and at nothing that the engine runs in it."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
import pytest_asyncio

from pytest_sandbox.engine import (
    Engine,
    EngineError,
    EngineUnavailable,
    ProcessSpec,
    SupportsMemorySnapshots,
    Task,
    TaskSpec,
    Unsupported,
    WatchEvent,
)
from pytest_sandbox.local import LocalEngine, LocalOptions, Mode

pytestmark = pytest.mark.asyncio(loop_scope="module")

Inside = Callable[..., Awaitable[Any]]

#: What a debugger needs of another process; the rest of `programs/attach.py` only looks.
FULL_ACCESS = {"PTRACE_ATTACH", "PTRACE_SEIZE", "process_vm_readv", "process_vm_writev", "mem"}


#: A program that may be traced even where the machine lets only parents do that: PR_SET_PTRACER of
#: prctl(2), for any process.
TARGET = """
import ctypes, time
ctypes.CDLL(None).prctl(0x59616D61, ctypes.c_ulong(-1), 0, 0, 0)
print("ready", flush=True)
time.sleep(1000)
"""


@pytest_asyncio.fixture(loop_scope="module", params=Mode, ids=lambda mode: mode.name.lower())
async def moded(request: pytest.FixtureRequest) -> AsyncIterator[Task]:
    """A sandbox in each mode that works here."""
    engine = LocalEngine(LocalOptions(mode=request.param))
    try:
        await engine.start()
    except EngineUnavailable as refusal:
        pytest.skip(f"the engine cannot do this here: {refusal}")
    yield await engine.create(TaskSpec())
    await engine.close()


@contextlib.asynccontextmanager
async def watching(task: Task) -> AsyncIterator[None]:
    """While a job of the agent watches a directory, in a process of its own."""
    changes: AsyncIterator[WatchEvent] = task.files.watch("/srv")
    change = asyncio.ensure_future(anext(changes))
    await asyncio.sleep(0)
    await task.files.listdir("/srv")  # the watch has begun by then
    try:
        yield
    finally:
        change.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await change
        await changes.aclose()  # type: ignore[attr-defined]


async def test_pid_1_and_its_jobs_are_closed(
    task: Task, inside: Inside, program: Callable[[str], str]
) -> None:
    async with watching(task):
        ways: dict[str, list[str]] = await inside(program("attach.py"), "all")

    assert len(ways) >= 2  # PID 1 and the watch
    assert not any(ways.values()), ways


async def test_pid_1_and_its_jobs_are_closed_in_every_mode(
    moded: Task, run_inside: Inside, program: Callable[[str], str]
) -> None:
    async with watching(moded):
        ways: dict[str, list[str]] = await run_inside(moded, program("attach.py"), "all")

    assert len(ways) >= 2
    assert not any(ways.values()), ways


async def test_a_program_is_open_to_another(
    task: Task, inside: Inside, program: Callable[[str], str], python: str
) -> None:
    """Else the tests above would prove nothing: by the same ways, programs can be reached."""
    target = await task.exec(ProcessSpec((python, "-I", "-c", TARGET)))
    assert await target.stdout.read(0) == b"ready\n"
    ways: dict[str, list[str]] = await inside(program("attach.py"), "all")
    await target.signal(9)

    assert ways.pop("1") == []
    (opened,) = ways.values()
    assert set(opened) >= FULL_ACCESS
    assert "pidfd_getfd" not in opened


async def test_what_dumps_memory_is_closed(
    engine: Engine, program: Callable[[str], str], python: str
) -> None:
    """To a program that does not stay stopped meanwhile, as all should."""
    try:
        task = await engine.create(TaskSpec(freezable=True))
    except Unsupported as refusal:
        pytest.skip(f"the engine cannot do this here: {refusal}")
    # Dumped first: much memory takes long.
    filler = "x = b'x' * (200 << 20); print(1, flush=True); input()"
    busy = await task.exec(ProcessSpec((python, "-c", filler)))
    await busy.stdout.read(0)
    hostile = await task.exec(ProcessSpec((python, "-I", "-c", program("attach.py"), "helpers")))
    ready = await hostile.stdout.read(0)
    assert ready == b"ready\n"

    with contextlib.suppress(EngineError):  # it may well spoil its own snapshot
        await SupportsMemorySnapshots.of(task).snapshot_memory()

    await hostile.write_stdin(b"\n")
    ways = json.loads(await hostile.stdout.read(len(ready)))
    await task.kill()
    assert len(ways) >= 2  # what dumps, and the CRIU that it runs
    assert not any(ways.values()), ways
