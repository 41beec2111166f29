"""Several parts are killed at once: nothing runs on, and the next run removes what is left."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pytest_sandbox._run import EngineProcess

from .conftest import groups_of

Until = Callable[[Callable[[], bool]], None]
Machine = Any  # of conftest.py

#: Owns a run with busy sandboxes, in the temporary directory that its argument names.
OWNER = """
import sys, tempfile
tempfile.tempdir = sys.argv[1]
from pytest_sandbox import Client, Sandbox
from pytest_sandbox._run import EngineStartError, Run

run = Run.create()
run.announce()
run.first_to_report(EngineStartError("for a test"), "here")
(run.directory / "templates").mkdir()
(run.directory / "templates" / "0123").touch()
server = run.start()
client = Client(server.socket)
for _ in range(3):
    sandbox = Sandbox.create("sh", "-c", "setsid sleep 1000 & sleep 1000", client=client)
print(server.socket, server.pid, flush=True)
sys.stdin.read()
"""

#: The next run there.
NEXT = """
import sys, tempfile
tempfile.tempdir = sys.argv[1]
from pytest_sandbox._run import Run

run = Run.create()
run.start()
run.close()
"""


def alive(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] not in "ZX"


@pytest.mark.parametrize(
    "parts",
    [
        "owner",
        "engine owner",
        "owner engine",
        "zygote owner",
        "zygote engine owner",
        "engine zygote owner",
        "agents owner",
        "agents zygote engine owner",
        "owner engine zygote agents",
    ],
)
def test_nothing_is_left(machine: Machine, short_path: Path, until: Until, parts: str) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", OWNER, str(short_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as owner:
        assert owner.stdout is not None
        socket, pid = owner.stdout.readline().decode().split()
        victim = type(machine)(None, EngineProcess(socket, int(pid)))
        family, zygote = victim.family(), victim.zygote()
        until(lambda: len(victim.children(zygote)) >= 3)
        groups = {part for each in family for part in groups_of(each) if "pytest-sandbox" in part}
        folders = [
            folder
            for folder, _, _ in os.walk("/sys/fs/cgroup")
            if any(folder.endswith(f"/{group}") for group in groups)
        ]
        pids = {
            "owner": [owner.pid],
            "engine": [victim.server.pid],
            "zygote": [zygote],
            "agents": victim.children(zygote),
        }
        for each in [each for part in parts.split() for each in pids[part]]:
            with contextlib.suppress(ProcessLookupError):  # it went with those before
                os.kill(each, signal.SIGKILL)

    until(lambda: not any(alive(each) for each in family))

    subprocess.run([sys.executable, "-c", NEXT, str(short_path)], check=True)
    until(lambda: list(short_path.iterdir()) == [])
    assert [folder for folder in folders if os.path.exists(folder)] == []
