"""Engine processes that do not start, die, or do not end."""

import os
import signal
from pathlib import Path

import pytest

from pytest_sandbox._run import EngineStartError, Run, engine_process

from .conftest import READY, ServerScript, gone, starts, until


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


def test_an_engine_that_may_start_a_cluster_first_has_more_time(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_process, "START_TIMEOUT", 0.0)
    assert run.start("ray").is_alive


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
