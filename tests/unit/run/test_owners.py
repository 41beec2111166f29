"""A run ends with its owner, however that ends."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_sandbox._run import Run, engine_process

from .conftest import READY, ServerScript, gone, lease_is_free, until


def test_the_engine_ends_when_its_owner_is_killed(server: ServerScript, tmp_path: Path) -> None:
    server(READY)
    code = (
        "import sys, tempfile; from pytest_sandbox._run import Run, engine_process\n"
        "tempfile.tempdir = sys.argv[2]\n"
        "engine_process.SERVER = (sys.argv[1],)\n"
        "print(Run.create().start().pid, flush=True); sys.stdin.read()"
    )
    owner = subprocess.Popen(
        [sys.executable, "-c", code, *engine_process.SERVER, str(tmp_path / "tmp")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with owner:
        assert owner.stdout is not None
        pid = int(owner.stdout.readline())
        owner.kill()

    until(lambda: gone(pid) and not list((tmp_path / "tmp").iterdir()))


def test_leaving_python_ends_a_run_that_nobody_closed(server: ServerScript, tmp_path: Path) -> None:
    server(READY)
    code = (
        "import sys, tempfile; from pytest_sandbox._run import Run, engine_process\n"
        "tempfile.tempdir = sys.argv[2]\n"
        "engine_process.SERVER = (sys.argv[1],)\n"
        "print(Run.create().start().pid)"
    )
    owner = subprocess.run(
        [sys.executable, "-W", "error", "-c", code, *engine_process.SERVER, str(tmp_path / "tmp")],
        capture_output=True,
        check=True,
        text=True,
    )

    assert gone(int(owner.stdout))
    assert list((tmp_path / "tmp").iterdir()) == []
    assert owner.stderr == ""


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_fork_of_the_owner_can_neither_end_the_run_nor_hold_its_lease(run: Run) -> None:
    pid = run.start().pid
    read, write = os.pipe()
    if (child := os.fork()) == 0:
        run.close()
        os.close(write)
        os.read(read, 1)
        os._exit(0)
    os.close(read)
    try:
        assert not gone(pid)
        assert not lease_is_free(run.directory)
        run.close()
        assert gone(pid)
    finally:
        os.close(write)
        os.waitpid(child, 0)
