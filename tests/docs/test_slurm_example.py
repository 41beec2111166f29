"""The example of Slurm, with stand-ins for its commands that run the job on this machine."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[2] / "examples" / "slurm"

#: As Slurm does: the job is a session of its own, whose variables name the node. The name of the
#: cluster follows the number where there are several.
SBATCH = """#!/bin/sh
printf '%s\\n' "$@" > ~/arguments
for script in "$@"; do :; done
test ! -e ~/no-engine || PATH=/usr/bin:/bin
SLURM_JOB_ID=7 SLURMD_NODENAME=localhost setsid bash "$script" > ~/log 2>&1 < /dev/null &
echo $! > ~/job
echo '7;cluster'
"""
SQUEUE = """#!/bin/sh
printf '%s\\n' "$@" > ~/asked
! kill -0 "$(cat ~/job)" 2> /dev/null || echo 7
"""
SCANCEL = """#!/bin/sh
test "$1" = 7 && kill -TERM "-$(cat ~/job)"
"""
TESTS = """
import os
from pathlib import Path

def test_it(sandbox):
    address = Path.home() / ".pytest-sandbox" / "7"
    assert address.stat().st_mode & 0o777 == 0o600
    assert os.environ["PYTEST_SANDBOX_ENGINE"] == address.read_text().strip()
    assert sandbox.run("id", "-u").stdout == "0\\n"
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home with the commands of Slurm in `bin`, and a test."""
    (tmp_path / "bin").mkdir()
    for name, text in (("sbatch", SBATCH), ("squeue", SQUEUE), ("scancel", SCANCEL)):
        (tmp_path / "bin" / name).write_text(text)
        (tmp_path / "bin" / name).chmod(0o755)
    (tmp_path / "test_it.py").write_text(TESTS)
    return tmp_path


def run_tests(home: Path) -> tuple[int, str]:
    """Run the example until all processes of its job have ended too.

    Returns:
        Its exit status, and what it printed.
    """
    environment = {
        "HOME": str(home),
        "PATH": f"{home}/bin:{sys.prefix}/bin:/usr/bin:/bin",
        "POLL_SECONDS": "0.2",
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "SBATCH_OPTIONS": "--partition=gpu --gpus=1",
    }
    options = ["-p", "pytest_sandbox.plugin", "-p", "no:cacheprovider"]
    ends, held = os.pipe()
    try:
        done = subprocess.run(
            [EXAMPLE / "run-tests", *options],
            cwd=home,
            env=environment,
            pass_fds=[held],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        os.close(held)
        assert os.read(ends, 1) == b""  # once no process has the other end
    finally:
        os.close(ends)
    sys.stdout.write(done.stdout)
    return done.returncode, done.stdout


def test_tests_run_on_the_node_of_a_job_which_ends_with_them(home: Path) -> None:
    status, said = run_tests(home)
    log = (home / "log").read_text()
    sys.stdout.write(log)
    assert (status, "1 passed" in said) == (0, True)
    assert "sandbox: grpc+tls://localhost:" in said
    assert "--partition=gpu\n--gpus=1\n" in (home / "arguments").read_text()
    assert list((home / ".pytest-sandbox").iterdir()) == []
    assert "as an engine at grpc+tls://" in log


def test_a_job_that_ends_without_an_engine_ends_the_wait(home: Path) -> None:
    (home / "no-engine").touch()
    status, said = run_tests(home)
    assert status == 1
    assert "job 7 has ended without an engine: pytest-sandbox-7.log says why" in said
    assert "pytest-sandbox: command not found" in (home / "log").read_text()
    assert "--jobs=7\n" in (home / "asked").read_text()
