"""A hostile program's view: one sandbox, and Python in it."""

import json
import os
import platform
import secrets
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from pytest_sandbox.engine import (
    Engine,
    ExitStatus,
    ProcessSpec,
    PtySize,
    Task,
    TaskSpec,
    Unsupported,
)
from pytest_sandbox.local import LocalEngine

PROGRAMS = Path(__file__).parent / "programs"

#: Pythons that may show in a sandbox: that of this run, else the machine's.
PYTHONS = (os.path.realpath(sys.executable), "/usr/bin/python3", "/usr/local/bin/python3")

Inside = Callable[..., Awaitable[Any]]


@pytest.fixture(scope="session")
def canary() -> Iterator[str]:
    """A secret that only this machine knows: the environment of this process holds it."""
    secret = "canary-" + secrets.token_hex(16)
    os.environ["SECRET_CANARY"] = secret
    yield secret
    del os.environ["SECRET_CANARY"]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def engine(canary: str) -> AsyncIterator[Engine]:
    engine = LocalEngine()
    await engine.start()
    yield engine
    await engine.close()


@pytest_asyncio.fixture(loop_scope="module", params=[False, True], ids=["usual", "freezable"])
async def task(engine: Engine, request: pytest.FixtureRequest) -> AsyncIterator[Task]:
    try:
        task = await engine.create(TaskSpec(freezable=request.param))
    except Unsupported as refusal:
        pytest.skip(f"the engine cannot do this here: {refusal}")
    yield task
    await task.kill()


@pytest.fixture(scope="session")
def run_inside() -> Inside:
    """`await run_inside(task, code, *arguments)`: what Python prints in there, as JSON."""

    async def run(task: Task, code: str, *arguments: str, pty: bool = False) -> Any:
        script = 'for p in %s; do test -x $p && exec $p -I -c "$@"; done; echo no Python >&2'
        argv = ("/bin/sh", "-c", script % " ".join(PYTHONS), "sh", code, *arguments)
        process = await task.exec(ProcessSpec(argv, pty=PtySize() if pty else None))
        await process.close_stdin()
        status = await process.wait()
        output = b"".join([chunk async for chunk in process.stdout.follow()])
        errors = b"".join([chunk async for chunk in process.stderr.follow()])
        assert status == ExitStatus(code=0), (output + errors).decode()
        return json.loads(output)

    return run


@pytest_asyncio.fixture(loop_scope="module")
async def inside(task: Task, run_inside: Inside) -> Inside:
    """`await inside(code, *arguments)`: what Python prints in a sandbox, as JSON."""

    async def run(code: str, *arguments: str, **options: bool) -> Any:
        return await run_inside(task, code, *arguments, **options)

    return run


@pytest.fixture(scope="session")
def python() -> str:
    """A Python that shows in every sandbox."""
    return next(path for path in PYTHONS[::-1] if os.access(path, os.X_OK))


@pytest.fixture(scope="session")
def program() -> Callable[[str], str]:
    """The text of a program in `programs/`."""
    return lambda name: (PROGRAMS / name).read_text()


@pytest.fixture(scope="session")
def x86_64() -> None:
    if platform.machine() != "x86_64":
        pytest.skip(f"the numbers of system calls are those of x86-64, not {platform.machine()}")
