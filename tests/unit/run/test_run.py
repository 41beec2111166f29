"""The launcher: a run, its folder and its engine, with a stand-in for the server."""

import fcntl
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from pytest_sandbox._run import EngineProcess, EngineStartError, Run, engine_process

from .conftest import ServerScript, gone, lease_is_free, starts, until

#: Does not become ready.
HANGING = """
    import os, time
    with open(os.path.join(os.path.dirname(__file__), "pid.new"), "w") as file:
        file.write(str(os.getpid()))
    os.rename(file.name, file.name.removesuffix(".new"))
    time.sleep(100)
"""


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


def test_an_engine_that_was_started_ahead_is_the_one(run: Run, tmp_path: Path) -> None:
    run.start_soon("local", {"key": "value"})
    process = run.start("local", {"key": "value"})
    run.start_soon("local", {"key": "value"})
    run.wait_for_start()

    assert process.engine == {"name": "local", "key": "value"}
    assert [line.split()[0] for line in starts(tmp_path)] == [str(process.pid)]


def test_what_is_wrong_with_a_start_ahead_is_told_by_the_start(
    run: Run, server: ServerScript
) -> None:
    server('print(\'{"error": {"reason": "no kernel", "remedy": "get one"}}\')')
    run.start_soon()
    run.wait_for_start()

    with pytest.raises(EngineStartError, match="no kernel"):
        run.start()


def test_a_run_that_ends_while_its_engine_starts_kills_it_and_leaves_nothing(
    run: Run, server: ServerScript, tmp_path: Path
) -> None:
    server(HANGING)
    run.start_soon()
    until((tmp_path / "pid").exists)
    begun = time.monotonic()
    run.close()

    assert time.monotonic() - begun < 1.5
    assert gone(int((tmp_path / "pid").read_text()))
    assert not run.directory.exists()


def test_a_fork_made_while_the_engine_starts_shares_it(run: Run, tmp_path: Path) -> None:
    run.start_soon()
    child = os.fork()
    if child == 0:
        try:
            run.start()
            os._exit(0)
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)

    assert os.waitstatus_to_exitcode(status) == 0
    assert [line.split()[0] for line in starts(tmp_path)] == [str(run.start().pid)]
