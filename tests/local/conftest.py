"""One engine per module, a fresh sandbox per test, and what looks at the machine from outside."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import functools
import gc
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

import pytest_sandbox
from pytest_sandbox.engine import EngineUnavailable, OutputLog, ProcessSpec, Task, TaskSpec
from pytest_sandbox.local import LocalEngine, LocalOptions, Mode

if TYPE_CHECKING:
    from pytest_sandbox.local.engine.task import LocalTask

#: An ordinary user that need not have an account.
SOMEBODY = 1500


def need_users(engine: LocalEngine) -> None:
    """Skip a test where a sandbox has no user but root, for want of subordinate ids."""
    if engine.factory.zygote.mode is Mode.SINGLE:
        pytest.skip("needs root: there is a single user in a sandbox here")


@dataclass(frozen=True)
class Done:
    code: int
    out: str
    err: str


Sh = Callable[..., Awaitable[Done]]


async def content(log: OutputLog) -> str:
    return b"".join([chunk async for chunk in log.follow()]).decode(errors="surrogateescape")


async def shell(task: Task, script: str) -> Done:
    """Run a script to its end."""
    process = await task.exec(ProcessSpec(("/bin/sh", "-c", script)))
    await process.close_stdin()
    out, err = await content(process.stdout), await content(process.stderr)
    return Done((await process.wait()).returncode, out, err)


def until(condition: Callable[[], bool], what: str) -> None:
    """Wait for what nobody announces: something of the kernel's, seen from outside."""
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, f"never happened: {what}"
        time.sleep(0.005)


def is_forker(pid: int) -> bool:
    """Whether it is the process that a zygote has fork its sandboxes, which stays."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().startswith(b"pytest-sandbox forker")
    except OSError:
        return False


def is_blank(pid: int) -> bool:
    """Whether it is one that a zygote keeps for a sandbox to come."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().startswith(b"pytest-sandbox blank")
    except OSError:
        return False


def children(parent: int) -> list[int]:
    """Those of a process, without what a zygote has for sandboxes to come."""
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            with contextlib.suppress(OSError):
                stat = Path(f"/proc/{name}/stat").read_text().rpartition(")")[2].split()
                ours = is_forker(int(name)) or is_blank(int(name))
                if int(stat[1]) == parent and not ours:
                    found.append(int(name))
    return found


def only_child(parent: int) -> int:
    """The child that stays; one that was killed may not be gone yet."""
    until(lambda: len(children(parent)) == 1, "the others are gone")
    return children(parent)[0]


def descriptors() -> list[str]:
    """Those of this process, without those of garbage, which may be closed at any time."""
    gc.collect()
    return os.listdir("/proc/self/fd")


async def all_closed(before: Collection[str]) -> None:
    """Wait until no more is open than before: threads close some, and callbacks of this loop."""
    deadline = time.monotonic() + 30
    while len(now := descriptors()) > len(before):
        assert time.monotonic() < deadline, f"never closed: {set(now) - set(before)}"
        await asyncio.sleep(0.005)


def is_running(pid: int) -> bool:
    """Whether there is such a process on the machine that has not ended.

    One whose parent was killed ends as a child of the machine's init, which may take seconds until
    it collects it.
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] not in "ZX"


def exists(path: str) -> bool:
    """Whether there is such a path on the machine."""
    return os.path.exists(path)


def processes(*words: str) -> list[int]:
    """Processes of the machine whose command line has all of `words`."""
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                line = Path(f"/proc/{name}/cmdline").read_bytes().decode(errors="replace")
            except OSError:
                continue
            if all(word in line for word in words):
                found.append(int(name))
    return found


def python_of_everybody() -> str:
    """A Python that an ordinary user may run, with our package's needs."""
    for path in (sys.executable, "/usr/bin/python3", "/usr/local/bin/python3"):
        if shutil.which("setpriv") is None or not os.path.exists(path):
            continue
        code = "import os, sys, pytest_sandbox.local; sys.exit(not os.access(sys.executable, 1))"
        check = [*as_somebody(), path, "-c", code]
        if subprocess.run(check, capture_output=True, env=their_env(), cwd="/").returncode == 0:
            return path
    pytest.skip("no Python here that an ordinary user may run")


def as_somebody(user: int = SOMEBODY) -> list[str]:
    if os.geteuid() != 0:
        return []
    return ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups"]


def their_env() -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": package_of_everybody(),
        "PYTHONDONTWRITEBYTECODE": "1",
    }


@functools.cache
def package_of_everybody() -> str:
    """A directory with a copy of our package: a checkout may be in a home that is closed."""
    folder = tempfile.mkdtemp(prefix="package-", dir="/tmp")
    atexit.register(shutil.rmtree, folder)
    os.chmod(folder, 0o755)
    package = os.path.dirname(pytest_sandbox.__file__)
    target = os.path.join(folder, "pytest_sandbox")
    shutil.copytree(package, target, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def engine() -> AsyncIterator[LocalEngine]:
    engine = LocalEngine()
    await engine.start()
    yield engine
    await engine.close()


@pytest_asyncio.fixture(loop_scope="module")
async def task(engine: LocalEngine) -> AsyncIterator[LocalTask]:
    task = await engine.create(TaskSpec())
    yield task
    await task.kill()


@pytest_asyncio.fixture(params=Mode, ids=lambda mode: mode.name.lower())
async def moded(request: pytest.FixtureRequest) -> AsyncIterator[LocalEngine]:
    """An engine in each mode that works here."""
    async with engine_in(request.param) as engine:
        yield engine


@pytest_asyncio.fixture
async def fresh() -> AsyncIterator[LocalEngine]:
    """An engine without processes but those of what the test creates."""
    engine = LocalEngine(LocalOptions(pool=False))
    await engine.start()
    yield engine
    await engine.close()


def zygote_of(engine: LocalEngine) -> int:
    return engine.factory.zygote.pid


@contextlib.asynccontextmanager
async def engine_in(mode: Mode, **options: Any) -> AsyncIterator[LocalEngine]:
    """An engine in a mode; skips the test where that does not work."""
    if os.geteuid() != 0:
        pytest.skip("needs root, who may try every mode")
    engine = LocalEngine(LocalOptions(mode=mode, **options))
    try:
        info = await engine.start()
    except EngineUnavailable as refusal:
        pytest.skip(f"this machine does not allow it: {refusal}")
    assert info.mode == mode.value
    yield engine
    await engine.close()


@pytest.fixture
def sh(task: Task) -> Sh:
    async def run(script: str) -> Done:
        return await shell(task, script)

    return run


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
