"""Ends of a run that nobody planned: no sandbox stays alive in the cloud."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from ..support.cloud import Cloud, CloudOptions, running

pytestmark = pytest.mark.usefixtures("few_plugins")

Enter = Callable[[Cloud], None]


def left_files() -> list[str]:
    """The files of runs that have sandboxes."""
    return os.listdir(Path(os.environ["XDG_STATE_HOME"]) / "pytest-sandbox" / "cloud")


@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_run_that_is_ended_in_the_middle_of_a_test(
    by: signal.Signals, pytester: pytest.Pytester, cloud_environment: Enter
) -> None:
    """By Ctrl-C, by CI, and with no time to do anything: then the process of the run does it."""
    pytester.makepyfile(
        """
        def test_waits(sandbox, sandbox_factory):
            sandbox_factory()
            sandbox.exec("cat").wait()
        """
    )
    with running() as cloud:
        cloud_environment(cloud)
        command = [sys.executable, "-m", "pytest", "--sandbox-engine=modal"]
        with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as run:
            cloud.hooks.wait_for("TaskExecWait", 1)
            run.send_signal(by)
        cloud.hooks.wait_for_end("SandboxTerminateV2", 2)

        assert len(cloud.app.state.sandboxes.all()) == 2
        assert cloud.app.state.sandboxes.running() == []


def test_a_worker_that_crashes(pytester: pytest.Pytester, cloud_environment: Enter) -> None:
    pytester.makepyfile(
        """
        import os, signal

        def test_crashes(sandbox, sandbox_factory):
            sandbox_factory()
            os.kill(os.getpid(), signal.SIGKILL)

        def test_goes_on(sandbox):
            assert sandbox.run("echo", "on").stdout == "on\\n"
        """
    )
    with running() as cloud:
        cloud_environment(cloud)
        result = pytester.runpytest_subprocess("--sandbox-engine=modal", "-n1")

        result.assert_outcomes(passed=1, failed=1)
        result.stdout.fnmatch_lines(["*worker 'gw0' crashed while running*test_crashes*"])
        assert len(cloud.app.state.sandboxes.all()) == 3
        assert cloud.app.state.sandboxes.running() == []
    assert left_files() == []


def test_a_sandbox_whose_creation_nobody_was_told_of(
    pytester: pytest.Pytester, cloud_environment: Enter
) -> None:
    """The run is killed with its process while the cloud creates: the next one finds the tag."""
    pytester.makepyfile("def test_creates(sandbox): pass")
    with running(CloudOptions(list_delay=0)) as cloud:
        cloud_environment(cloud)
        pids: list[int] = []

        def kill() -> None:
            (path,) = Path(os.environ["XDG_STATE_HOME"], "pytest-sandbox", "cloud").iterdir()
            pids.append(pid_with(path))
            os.kill(pids[0], signal.SIGKILL)

        cloud.hooks.at("SandboxCreateV2", 1, kill)
        result = pytester.runpytest_subprocess("--sandbox-engine=modal")
        result.assert_outcomes(errors=1)
        assert len(pids) == 1
        assert len(left_files()) == 1

        again = pytester.runpytest_subprocess("--sandbox-engine=modal")
        again.assert_outcomes(passed=1)
        assert cloud.app.state.sandboxes.running() == []
    assert left_files() == []


def pid_with(path: Path) -> int:
    """The process that has a file open."""
    for process in Path("/proc").iterdir():
        if process.name.isdecimal() and process.name != str(os.getpid()):
            try:
                found = [each.resolve() for each in (process / "fd").iterdir()]
            except OSError:
                continue
            if path in found:
                return int(process.name)
    raise AssertionError(f"no process has {path} open")
