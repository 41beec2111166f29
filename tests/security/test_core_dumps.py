"""A crash inside leaves no core file, and starts no handler of the machine."""

import fcntl
import os
import resource
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.asyncio(loop_scope="module")

Inside = Callable[..., Awaitable[Any]]

PATTERN = Path("/proc/sys/kernel/core_pattern")

CRASHES = """
import json, os, resource, signal
def crash(*limits):
    pid = os.fork()
    if pid == 0:
        os.chdir("/srv")
        for limit in limits:
            resource.setrlimit(resource.RLIMIT_CORE, (limit, limit))
        os.kill(os.getpid(), signal.SIGSEGV)
    status = os.waitpid(pid, 0)[1]
    return [os.WTERMSIG(status), os.WCOREDUMP(status)]
crashes = [crash(), crash(0), crash(resource.RLIM_INFINITY), crash(4096, 0)]
print(json.dumps([crashes, os.listdir("/srv"), resource.getrlimit(resource.RLIMIT_CORE)]))
"""


@pytest.fixture
def pattern() -> Iterator[Callable[[str], None]]:
    """Sets where the machine's crashes go, for this test."""
    with PATTERN.open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # there is one for all tests that run at the same time
        before = PATTERN.read_text()

        def write(text: str) -> None:
            try:
                PATTERN.write_text(text)
            except PermissionError:
                pytest.skip("needs root of the machine, who may say where crashes go")

        yield write
        if PATTERN.read_text() != before:
            PATTERN.write_text(before)


@pytest.fixture
def folder() -> Iterator[Path]:
    """One whose path is short enough for the pattern, which has 127 bytes."""
    with tempfile.TemporaryDirectory(dir="/tmp") as path:
        yield Path(path)


def crash_outside() -> int:
    """What must start the handler, or the test proves nothing; its process id."""
    unlimited = resource.getrlimit(resource.RLIMIT_CORE)[1]
    crash = f"""
import os, resource, signal
resource.setrlimit(resource.RLIMIT_CORE, ({unlimited}, {unlimited}))
os.kill(os.getpid(), signal.SIGSEGV)
"""
    with subprocess.Popen([sys.executable, "-c", crash], cwd="/") as process:
        assert process.wait() == -signal.SIGSEGV
    return process.pid


async def test_a_crash_leaves_no_file(inside: Inside) -> None:
    crashes, files, limits = await inside(CRASHES)

    assert crashes == [[signal.SIGSEGV, False]] * 4
    assert files == []
    assert limits == [1, 1]


async def test_a_crash_starts_no_program_outside(
    inside: Inside, pattern: Callable[[str], None], folder: Path
) -> None:
    handler, calls = folder / "handler", folder / "calls"
    os.mkfifo(calls)
    handler.write_text(f"#!/bin/sh\necho $1 >{calls}\nexec cat > /dev/null\n")
    handler.chmod(stat.S_IRWXU)
    pipe = os.open(calls, os.O_RDWR)
    try:
        pattern(f"|{handler} %P")

        crashes, _, _ = await inside(CRASHES)
        witness = crash_outside()

        assert crashes == [[signal.SIGSEGV, False]] * 4
        assert int(os.read(pipe, 100)) == witness  # and not an earlier one
    finally:
        os.close(pipe)
