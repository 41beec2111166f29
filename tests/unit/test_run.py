"""The launcher, with a stand-in for the server."""

import fcntl
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import pytest

from pytest_sandbox._run import EngineProcess, EngineStartError, Run, engine_process, start_lock
from pytest_sandbox._run.processes import start_time
from pytest_sandbox.server import lease

READY = """
    import argparse, fcntl, json, os, shutil, sys
    parser = argparse.ArgumentParser()
    parser.add_argument("--engine")
    parser.add_argument("--run-dir")
    parser.add_argument("--tcp")
    parser.add_argument("--engine-option", action="append", default=[])
    args = parser.parse_args()
    options = dict(option.split("=") for option in args.engine_option)
    print("hello log", file=sys.stderr, flush=True)
    with open(os.path.join(os.path.dirname(__file__), "starts"), "a") as starts:
        starts.write(f"{os.getpid()} {os.getcwd()}\\n")
    socket = os.path.join(args.run_dir, "socket")
    print(json.dumps({"socket": socket, "pid": os.getpid(),
                      "engine": {"name": args.engine, **options},
                      "tcp": args.tcp and {"url": args.tcp}}),
          flush=True)
    lease = open(os.path.join(args.run_dir, "lease"), "r+")
    fcntl.lockf(lease, fcntl.LOCK_EX)
    shutil.rmtree(args.run_dir)
"""

ServerScript = Callable[[str], Path]


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ServerScript:
    """Use a script instead of the server, and a temporary folder of its own."""
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))

    def use(source: str) -> Path:
        path = tmp_path / "server.py"
        path.write_text(textwrap.dedent(source))
        monkeypatch.setattr(engine_process, "SERVER", (str(path),))
        return path

    return use


@pytest.fixture
def run(server: ServerScript) -> Iterator[Run]:
    server(READY)
    run = Run.create()
    yield run
    run.close()


def starts(tmp_path: Path) -> list[str]:
    return (tmp_path / "starts").read_text().splitlines()


def gone(pid: int) -> bool:
    return start_time(pid) is None


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def lease_is_free(directory: Path) -> bool:
    """Asked in another process: record locks do not keep a process from its own."""
    code = (
        "import fcntl, sys\n"
        "try: fcntl.lockf(open(sys.argv[1], 'r+'), fcntl.LOCK_EX | fcntl.LOCK_NB)\n"
        "except BlockingIOError: sys.exit(1)"
    )
    return subprocess.run([sys.executable, "-c", code, directory / "lease"]).returncode == 0


def test_a_run_is_a_private_folder_with_a_lease_that_is_held(run: Run) -> None:
    assert run.directory.name.startswith("pytest-sandbox-")
    assert run.directory.stat().st_mode & 0o777 == 0o700
    assert not lease_is_free(run.directory)


def test_the_engine_starts_on_first_use_and_once(run: Run, tmp_path: Path) -> None:
    assert not (tmp_path / "starts").exists()

    first, second = run.start(), run.start()

    assert first == second
    assert first == EngineProcess(str(run.directory / "socket"), first.pid, {"name": "local"})
    assert starts(tmp_path) == [f"{first.pid} {run.directory}"]
    assert (run.directory / "server.log").read_text() == "hello log\n"


def test_the_engine_is_in_a_session_of_its_own_so_that_ctrl_c_does_not_reach_it(run: Run) -> None:
    assert os.getsid(run.start().pid) == run.start().pid


def test_options_are_handed_to_the_server(run: Run) -> None:
    server = run.start("local", {"disk": "1", "criu": "/x"}, tcp="127.0.0.1:0")

    assert server.tcp == {"url": "127.0.0.1:0"}
    assert server.engine == {"name": "local", "criu": "/x", "disk": "1"}


def test_a_run_has_one_engine_and_refuses_another(run: Run) -> None:
    run.start("local")

    with pytest.raises(EngineStartError, match="'--engine other' is not possible"):
        run.start("other")


def test_closing_ends_the_engine_waits_for_it_and_leaves_no_folder(run: Run) -> None:
    pid = run.start().pid

    run.close()

    assert gone(pid)
    assert not run.directory.exists()
    run.close()


def test_closing_a_run_that_was_never_used_leaves_no_folder(run: Run) -> None:
    run.close()

    assert not run.directory.exists()


def test_an_attached_run_shares_the_engine_and_never_ends_it(run: Run, tmp_path: Path) -> None:
    other = Run.attach(run.directory)

    assert other.start() == run.start()
    other.close()

    assert len(starts(tmp_path)) == 1
    assert not gone(run.start().pid)


def test_threads_that_ask_at_the_same_time_get_one_engine(run: Run, tmp_path: Path) -> None:
    servers: list[EngineProcess] = []
    threads = [
        threading.Thread(target=lambda: servers.append(Run.attach(run.directory).start()))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(servers) == 8
    assert len({server.pid for server in servers}) == 1
    assert len(starts(tmp_path)) == 1


def test_processes_that_ask_at_the_same_time_get_one_engine(run: Run, tmp_path: Path) -> None:
    code = (
        "import sys; from pytest_sandbox._run import Run, engine_process\n"
        "engine_process.SERVER = (sys.argv[2],)\n"
        "print(Run.attach(sys.argv[1]).start().pid)"
    )
    command = [sys.executable, "-c", code, str(run.directory), *engine_process.SERVER]
    workers = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(4)]
    answers = [worker.communicate()[0] for worker in workers]

    assert len(set(answers)) == 1
    assert len(starts(tmp_path)) == 1
    pid = run.start().pid  # its parent, a worker, is gone
    run.close()
    assert gone(pid)


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


def test_a_server_that_says_why_it_cannot_start_is_quoted_to_everybody(
    server: ServerScript, tmp_path: Path
) -> None:
    server("""
        import json, pathlib
        with open(pathlib.Path(__file__).with_name("starts"), "a") as file:
            file.write("once\\n")
        print(json.dumps({"error": {"reason": "no user namespaces", "remedy": "sysctl it"}}))
    """)
    run = Run.create()
    for each in (run, Run.attach(run.directory)):
        with pytest.raises(EngineStartError) as caught:
            each.start()
        assert (caught.value.reason, caught.value.remedy) == ("no user namespaces", "sysctl it")

    assert starts(tmp_path) == ["once"]
    run.close()
    assert not run.directory.exists()


def test_a_server_that_dies_before_it_is_ready_is_reported_with_its_log(
    server: ServerScript,
) -> None:
    server("import sys; sys.exit('the reason is here')")
    run = Run.create()

    with pytest.raises(EngineStartError, match="ended with status 1 before") as caught:
        run.start()

    assert caught.value.log == "the reason is here"
    run.close()


def test_a_server_that_talks_nonsense_is_reported_with_what_it_said(server: ServerScript) -> None:
    server("print('welcome!')")
    run = Run.create()

    with pytest.raises(EngineStartError, match=r"said b'welcome!\\n' instead of being ready"):
        run.start()

    run.close()


def test_a_server_that_is_never_ready_is_killed_when_time_is_up(
    server: ServerScript, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server("""
        import os, pathlib, time
        pathlib.Path(__file__).with_name("starts").write_text(str(os.getpid()))
        time.sleep(3600)
    """)
    monkeypatch.setattr(engine_process, "_EXIT_TIMEOUT", 0.01)
    monkeypatch.setattr(engine_process, "START_TIMEOUT", 0.5)
    run = Run.create()

    with pytest.raises(EngineStartError, match=r"not ready within 0\.5 seconds"):
        run.start()

    if (tmp_path / "starts").exists():
        assert gone(int(starts(tmp_path)[0]))
    run.close()


def test_an_engine_that_died_is_reported_with_its_log_and_not_started_again(
    run: Run, tmp_path: Path
) -> None:
    pid = run.start().pid
    os.kill(pid, signal.SIGKILL)
    until(lambda: gone(pid))

    for each in (run, Run.attach(run.directory)):
        with pytest.raises(EngineStartError, match=f"{pid} died during the run") as caught:
            each.start()
        assert caught.value.log == "hello log"

    assert len(starts(tmp_path)) == 1


def test_an_engine_that_does_not_end_is_killed(
    server: ServerScript, monkeypatch: pytest.MonkeyPatch
) -> None:
    server(READY.replace("lease = open", "import time; time.sleep(3600); lease = open"))
    monkeypatch.setattr(engine_process, "CLOSE_TIMEOUT", 0.1)
    run = Run.create()
    pid = run.start().pid

    run.close()

    assert gone(pid)
    assert not run.directory.exists()


def test_a_temporary_folder_too_deep_for_a_socket_is_refused_with_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deep = tmp_path / ("x" * 100)
    deep.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(deep))

    with pytest.raises(EngineStartError, match="too long for a Unix socket") as caught:
        Run.create()

    assert "TMPDIR" in caught.value.remedy
    assert list(deep.iterdir()) == []


def test_a_starter_that_hangs_does_not_hang_the_others(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_process, "START_TIMEOUT", 0.0)
    monkeypatch.setattr(engine_process, "CLOSE_TIMEOUT", 0.05)
    with open(run.directory / "start.lock", "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)

        with pytest.raises(EngineStartError, match="does not finish starting"):
            run.start()


def test_a_run_that_is_over_cannot_be_used(run: Run) -> None:
    other = Run.attach(run.directory)
    run.close()

    with pytest.raises(EngineStartError, match="has ended"):
        other.start()


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

    until(lambda: not running(script))
    # The next engine process removes the folder of a run that had none.
    lease.sweep(tmp_path / "tmp", tmp_path)
    assert list((tmp_path / "tmp").iterdir()) == []
    assert (tmp_path / "starts").exists() == (step != "Child")


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
        os.kill(os.getppid(), signal.SIGINT)
        time.sleep(3600)
    """)
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
