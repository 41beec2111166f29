"""Starts that are killed or interrupted half-way leave nothing, and no second engine."""

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import IO, Any

import pytest

from pytest_sandbox._run import Run, engine_process, start_lock
from pytest_sandbox.server import lease

from .conftest import READY, ServerScript, gone, starts, until

#: Begins like the real engine process, and ends when the test says so.
ORPHAN = """
    import fcntl, os, pathlib, time
    folder = pathlib.Path(__file__).parent
    alone = open(folder / "alone", "w")
    fcntl.flock(alone, fcntl.LOCK_EX | fcntl.LOCK_NB)
    with open(folder / "starts", "a") as starts:
        starts.write(f"{os.getpid()}\\n")
    while not (folder / "end").exists():
        time.sleep(0.005)
"""
#: Finds out at once whether an engine process runs already.
ALONE = """
    import fcntl, pathlib
    alone = open(pathlib.Path(__file__).parent / "alone", "w")
    fcntl.flock(alone, fcntl.LOCK_EX | fcntl.LOCK_NB)
"""
#: Shares a run and starts its engine.
WORKER = """
import sys
from pytest_sandbox._run import Run, engine_process
engine_process.SERVER = (sys.argv[2],)
Run.attach(sys.argv[1]).start()
"""
#: Starts an engine, and is killed instead of calling the function that its argument names.
KILLED = """
import os, signal, sys, tempfile
from pytest_sandbox._run import Run, engine_process
tempfile.tempdir = sys.argv[2]
engine_process.SERVER = (sys.argv[1],)
def die(*args, **keywords):
    os.kill(os.getpid(), signal.SIGKILL)
setattr(engine_process, sys.argv[3], die)
Run.create().start()
"""


def running(script: Path) -> bool:
    """Whether a process runs the script."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            arguments = path.read_bytes().split(b"\0")
        except OSError:
            continue
        if arguments[1:2] == [os.fsencode(script)]:
            return True
    return False


@pytest.mark.parametrize(
    "step",
    [
        pytest.param("Child", id="before there is an engine process"),
        pytest.param("_first_line", id="before the engine is ready"),
        pytest.param("start_time", id="before others know that it is ready"),
    ],
)
def test_nothing_is_left_of_a_run_whose_owner_is_killed_while_the_engine_starts(
    server: ServerScript, tmp_path: Path, step: str
) -> None:
    script = server(READY)
    command = [sys.executable, "-c", KILLED, str(script), str(tmp_path / "tmp"), step]

    assert subprocess.run(command).returncode == -signal.SIGKILL

    # It may have been started just now: then /proc does not show its arguments yet.
    until(lambda: (tmp_path / "starts").exists() == (step != "Child"))
    until(lambda: not running(script))
    # The next engine process removes the folder of a run that had none.
    lease.sweep(tmp_path / "tmp", tmp_path)
    assert list((tmp_path / "tmp").iterdir()) == []
    assert (tmp_path / "starts").exists() == (step != "Child")


def test_a_directory_that_was_swept_while_it_was_made_is_made_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made: list[str] = []

    def mkdtemp(**keywords: Any) -> str:
        made.append(make(**keywords))
        if len(made) == 1:
            os.rmdir(made[0])
        return made[-1]

    make = tempfile.mkdtemp
    monkeypatch.setattr(tempfile, "mkdtemp", mkdtemp)
    run = Run.create()

    assert (len(made), str(run.directory)) == (2, made[1])
    assert (run.directory / "lease").exists()
    run.close()
    assert not run.directory.exists()


def test_no_second_engine_starts_beside_one_whose_starter_was_killed(
    run: Run, server: ServerScript, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker of pytest-xdist crashes while it starts the engine for all of them."""
    end, may_start = tmp_path / "end", start_lock._try_to_acquire

    def try_to_acquire(file: IO[str]) -> bool:
        acquired = may_start(file)
        if not acquired:  # so this run waits for the orphan
            end.touch()
        return acquired

    monkeypatch.setattr(start_lock, "_try_to_acquire", try_to_acquire)
    script = server(ORPHAN)
    worker = subprocess.Popen([sys.executable, "-c", WORKER, str(run.directory), str(script)])
    until((tmp_path / "starts").exists)
    server(ALONE + READY)
    worker.kill()
    worker.wait()

    try:
        process = run.start()
    finally:
        end.touch()

    assert starts(tmp_path)[1:] == [f"{process.pid} {run.directory}"]


def test_an_interrupt_while_the_engine_starts_ends_it_at_once(
    server: ServerScript, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server("""
        import os, pathlib, signal, time
        pathlib.Path(__file__).with_name("starts").write_text(str(os.getpid()))
        while not pathlib.Path(__file__).with_name("awaited").exists():
            time.sleep(0.005)
        os.kill(os.getppid(), signal.SIGINT)
        time.sleep(3600)
    """)
    first_line = engine_process._first_line

    def awaited(child: engine_process.Child, timeout: float) -> bytes:
        (tmp_path / "awaited").touch()
        return first_line(child, timeout)

    monkeypatch.setattr(engine_process, "_first_line", awaited)
    monkeypatch.setattr(engine_process, "_EXIT_TIMEOUT", 3600)  # which would time the test out
    run = Run.create()

    with pytest.raises(KeyboardInterrupt):
        run.start()

    assert gone(int(starts(tmp_path)[0]))
    assert not run.started
    server(READY)
    assert not gone(run.start().pid)
    run.close()


def test_closing_waits_for_an_engine_process_that_an_interrupt_left_unknown(
    server: ServerScript, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C just after the fork: there is a process, and nothing knows its id."""
    script = server(READY)

    class Interrupted(engine_process.Child):
        def __init__(self, *args: Any, **keywords: Any) -> None:
            super().__init__(*args, **keywords)
            assert self.stdout is not None
            self.stdout.close()
            raise KeyboardInterrupt

    monkeypatch.setattr(engine_process, "Child", Interrupted)
    run = Run.create()
    with pytest.raises(KeyboardInterrupt):
        run.start()

    run.close()

    assert not running(script)
    assert not run.directory.exists()


def test_closing_waits_for_an_engine_that_another_process_is_starting(
    server: ServerScript, tmp_path: Path
) -> None:
    """The controller of pytest-xdist ends while a worker starts the engine."""
    script = server(READY.replace("print(json", "0 and print(json"))  # never ready
    run = Run.create()
    command = [sys.executable, "-c", WORKER, str(run.directory), str(script)]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL):
        until((tmp_path / "starts").exists)

        run.close()

        assert not running(script)
        assert not run.directory.exists()


def test_closing_waits_for_an_engine_that_has_removed_the_directory(
    server: ServerScript, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that starts notices at once that there is no lease, and is not gone yet."""
    end, may_start, close = tmp_path / "end", start_lock._try_to_acquire, os.close
    waits = f"import time\n    while not os.path.exists({str(end)!r}): time.sleep(0.005)"
    script = server(READY.replace("print(json", "0 and print(json") + f"    {waits}\n")
    run = Run.create()
    command = [sys.executable, "-c", WORKER, str(run.directory), str(script)]

    def try_to_acquire(file: IO[str]) -> bool:
        acquired = may_start(file)
        if not acquired:  # so this run waits for the engine
            end.touch()
        return acquired

    def release(descriptor: int) -> None:
        close(descriptor)
        until(lambda: not run.directory.exists())

    with subprocess.Popen(command, stderr=subprocess.DEVNULL):
        until((tmp_path / "starts").exists)
        monkeypatch.setattr(start_lock, "_try_to_acquire", try_to_acquire)
        with monkeypatch.context() as patch:
            patch.setattr("pytest_sandbox._run.run.os.close", release)
            try:
                run.close()
                assert not running(script)
            finally:
                end.touch()
