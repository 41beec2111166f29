"""What the kernel counts for a user, a sandbox cannot take from others.

The witnesses are a second sandbox, a sandbox of another run, and a program outside.
"""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
import pytest_asyncio

from pytest_sandbox.engine import EngineUnavailable, Limits, Process, ProcessSpec, Task, TaskSpec
from pytest_sandbox.local import LocalEngine, LocalOptions, Mode

pytestmark = pytest.mark.asyncio(loop_scope="module")

RunInside = Callable[..., Awaitable[Any]]

#: Where each sandbox has ids of its own, nothing is shared. Elsewhere what is counted for the owner
#: of a user namespace is not, and the rest is: docs/security.md.
OWNED = ("inotify", "timers", "queues")
SAFE = {
    Mode.ROOT_SHIFTED: (*OWNED, "descriptors", "pipes"),
    Mode.ROOT_SHARED: OWNED,
    Mode.ROOT_IDENTITY: OWNED,
    Mode.SUBORDINATE: OWNED,
}
ROOT_MODES = (Mode.ROOT_SHIFTED, Mode.ROOT_SHARED, Mode.ROOT_IDENTITY)
PROCESSES = 40


ALL = pytest.mark.parametrize(
    "runs", SAFE, indirect=True, ids=lambda mode: mode.name, scope="module"
)


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def runs(request: pytest.FixtureRequest) -> AsyncIterator[list[LocalEngine]]:
    """Two engines of one mode."""
    if os.geteuid() != 0 and request.param in ROOT_MODES:
        pytest.skip("needs root")
    engines = [LocalEngine(LocalOptions(mode=request.param)) for _ in range(2)]
    try:
        for engine in engines:
            await engine.start()
    except EngineUnavailable as refusal:
        pytest.skip(f"this mode does not work here: {refusal}")
    yield engines
    for engine in engines:
        await engine.close()


@pytest.fixture
def exhaust(program: Callable[[str], str], python: str) -> Callable[..., Awaitable[int]]:
    """`await exhaust(task, kind)`: how many it got; it holds them until the sandbox ends."""

    async def start(task: Task, kind: str) -> int:
        argv = (python, "-I", "-c", program("exhaust.py"), kind)
        process: Process = await task.exec(ProcessSpec(argv))
        output = b""
        async for chunk in process.stdout.follow():
            output += chunk
            if output.endswith(b"\n"):
                return int(output)
        errors = b"".join([chunk async for chunk in process.stderr.follow()])
        raise AssertionError(errors.decode())

    return start


@pytest.mark.parametrize(
    ("runs", "kind"),
    [
        pytest.param(mode, kind, id=f"{mode.name}-{kind}")
        for mode, kinds in SAFE.items()
        for kind in kinds
    ],
    indirect=["runs"],
    scope="module",  # all tests of a mode together, so that its engines start once
)
async def test_a_sandbox_cannot_use_up_what_is_counted_for_a_user(
    runs: list[LocalEngine],
    kind: str,
    exhaust: Callable[..., Awaitable[int]],
    run_inside: RunInside,
    program: Callable[[str], str],
) -> None:
    hostile, neighbour, other = [
        await engine.create(TaskSpec()) for engine in (runs[0], runs[0], runs[1])
    ]
    assert await exhaust(hostile, kind) > 1

    code = program("exhaust.py")
    assert await run_inside(neighbour, code, kind, "one") == ""
    assert await run_inside(other, code, kind, "one") == ""
    outside = await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", "-c", code, kind, "one"), stdout=asyncio.subprocess.PIPE
    )
    answer, _ = await outside.communicate()
    assert answer == b'""\n'
    # Nor do its own programs end it: what needs one of them is refused, and works again.
    opened = await neighbour.files.open("/etc/hostname", 0)
    assert await opened.pread(0, 100) == b"sandbox\n"
    await opened.close()
    for task in (hostile, neighbour, other):
        assert task.poll() is None
        await task.kill()


# In other modes that would take them from other tests, too.
@pytest.mark.parametrize("runs", [Mode.ROOT_SHIFTED], indirect=True, ids=lambda mode: mode.name)
async def test_what_its_programs_used_up_a_sandbox_is_told(
    runs: list[LocalEngine], exhaust: Callable[..., Awaitable[int]]
) -> None:
    task = await runs[0].create(TaskSpec())
    await exhaust(task, "descriptors")

    with pytest.raises(OSError, match="descriptors that were not received yet"):
        await task.files.open("/etc/hostname", 0)

    assert task.poll() is None
    await task.kill()
    again = await runs[0].create(TaskSpec())
    await (await again.files.open("/etc/hostname", 0)).close()
    await again.kill()


@ALL
async def test_more_users_have_no_more_processes(
    runs: list[LocalEngine], exhaust: Callable[..., Awaitable[int]]
) -> None:
    task = await runs[0].create(TaskSpec(limits=Limits(processes=PROCESSES)))

    # Two each, beside PID 1 and the program itself.
    assert 1 < await exhaust(task, "processes") <= PROCESSES / 2

    await task.kill()
