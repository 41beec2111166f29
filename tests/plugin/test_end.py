"""However pytest ends, nothing is left."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

#: Seconds to wait for what the kernel and the engine do on their own.
TIMEOUT = 30.0

BUSY = """
import pathlib
import time
import pytest

def test_busy(sandbox_factory, sandbox_engine):
    for number in range(5):
        sandbox_factory("sh", "-c", "while :; do :; done & exec sleep MARK")
        sandbox_factory().exec("sleep", "MARK")
    pathlib.Path(__file__).with_name("busy").touch()
    time.sleep(600)
"""


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + TIMEOUT
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def processes(mark: str) -> list[str]:
    """The command lines, of whatever process of this machine, that have the mark."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if mark in command:
            found.append(command)
    return found


@pytest.fixture
def mark() -> str:
    """A number of seconds to sleep that no other process of this machine sleeps."""
    return f"86400.{time.monotonic_ns()}"


@pytest.fixture
def busy(
    pytester: pytest.Pytester, temporary: Path, mark: str
) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Starts pytest with options and returns when its test keeps ten sandboxes busy."""
    started: list[subprocess.Popen[bytes]] = []
    file = pytester.makepyfile(BUSY.replace("MARK", mark))

    def start(*options: str) -> subprocess.Popen[bytes]:
        # Its own session, so that it is like a program that somebody else started.
        run = subprocess.Popen(
            [sys.executable, "-m", "pytest", *options, str(file)],
            start_new_session=True,
            stdout=subprocess.DEVNULL,
        )
        started.append(run)
        until(lambda: (file.parent / "busy").exists() or run.poll() is not None)
        assert run.poll() is None
        return run

    yield start
    for run in started:
        run.kill()
        run.wait()


@pytest.mark.parametrize("options", [(), ("-n1",)], ids=["alone", "xdist"])
def test_nothing_is_left_when_pytest_is_killed_among_busy_sandboxes(
    busy: Callable[..., subprocess.Popen[bytes]],
    temporary: Path,
    mark: str,
    options: tuple[str, ...],
) -> None:
    run = busy(*options)
    until(lambda: len(processes(f"sleep {mark}")) >= 10)
    assert list(temporary.glob("pytest-sandbox-*"))

    run.kill()

    until(lambda: not processes(mark) and not processes(str(temporary)))
    until(lambda: not list(temporary.glob("pytest-sandbox-*")))


def test_nothing_is_left_when_pytest_is_killed_while_the_engine_starts(
    pytester: pytest.Pytester, temporary: Path
) -> None:
    pytester.makepyfile("def test_it(sandbox): ...")
    run = subprocess.Popen([sys.executable, "-m", "pytest"], stdout=subprocess.DEVNULL)
    with run:
        # Not before there is an engine process: the folder of a run without one stays until the
        # next engine process removes it, which is for tests/unit/run.
        until(lambda: bool(processes(f"--run-dir {temporary}")))
        run.kill()

    until(lambda: not processes(str(temporary)))
    until(lambda: not list(temporary.glob("pytest-sandbox-*")))


def test_nothing_is_left_after_ctrl_c(
    busy: Callable[..., subprocess.Popen[bytes]], temporary: Path, mark: str
) -> None:
    run = busy()

    os.killpg(run.pid, signal.SIGINT)

    assert run.wait(TIMEOUT) == pytest.ExitCode.INTERRUPTED
    assert processes(f"sleep {mark}") == []
    assert list(temporary.glob("pytest-sandbox-*")) == []


def test_a_run_ends_with_its_engine_gone(pytester: pytest.Pytester, temporary: Path) -> None:
    pytester.makepyfile(
        """
        import pathlib
        import pytest
        from pytest_sandbox import Sandbox

        @pytest.fixture(scope="session")
        def kept():
            return Sandbox.create()

        def test_it(kept, sandbox): ...
        """
    )

    pytester.runpytest_subprocess().assert_outcomes(passed=1)

    assert processes(str(temporary)) == []
    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize("method", ["signal", "thread"])
def test_pytest_timeout_ends_a_test_that_waits_for_a_sandbox(
    pytester: pytest.Pytester, temporary: Path, mark: str, method: str
) -> None:
    pytester.makepyfile(
        f"""
        import pytest

        @pytest.mark.timeout(1, method="{method}")
        def test_it(sandbox):
            sandbox.exec("sleep", "{mark}").wait()
        """
    )

    result = pytester.runpytest_subprocess()

    assert result.ret != 0
    assert "Timeout" in result.stdout.str() + result.stderr.str()
    until(lambda: not processes(f"sleep {mark}"))
    until(lambda: not list(temporary.glob("pytest-sandbox-*")))
