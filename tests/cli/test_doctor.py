"""`pytest-sandbox doctor`."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

import pytest_sandbox
from pytest_sandbox.cli import _checkup, main
from pytest_sandbox.cli._checkup import Checkup, Trial, render
from pytest_sandbox.local import Finding, Report, probing

GOOD = Finding("user namespaces", True, "allowed", "should not be shown", "nor this")
BAD = Finding(
    "overlayfs",
    False,
    "mount(2): Operation not permitted " * 5,
    "Every sandbox would need a copy of the image.",
    "sudo modprobe overlay\n"
    "sudo sysctl -w a.very.long.name.that.is.not.wrapped.as.it.is.copied=1\n"
    "or read the pages about machines, which say more than fits on one line",
)
FINE = Trial(True, "", "", {"create": 8.5, "exec": 3.1})
CHECKUP = Checkup({"python": "3.12"}, Report((GOOD, BAD), "rootless"), FINE)


def test_here_where_the_tests_run_it_says_that_sandboxes_work(
    capsys: pytest.CaptureFixture[str],
) -> None:
    status = main(["doctor"])

    out = capsys.readouterr().out
    assert status == 0, out
    assert "Sandboxes work here: " in out
    assert "a sandbox, end to end" in out
    assert "kernel" in out


def test_as_json_it_is_one_object_with_everything(capsys: pytest.CaptureFixture[str]) -> None:
    status = main(["doctor", "--json"])

    told = json.loads(capsys.readouterr().out)
    assert status == 0
    assert told["usable"] is True
    assert told["trial"]["ok"] is True
    assert {"create", "exec", "terminate"} <= told["trial"]["milliseconds"].keys()
    assert {"python", "kernel", "grpclib", "protobuf", "pytest"} <= told["versions"].keys()
    assert told["findings"]
    assert {"name", "ok", "detail", "consequence", "remedy"} == told["findings"][0].keys()


def test_what_is_wrong_is_shown_with_what_follows_and_what_to_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "80")

    lines = render(CHECKUP).splitlines()

    assert "ok  user namespaces        allowed" in lines
    assert any(line.startswith("--  overlayfs              mount(2):") for line in lines)
    assert not any("should not be shown" in line or "nor this" in line for line in lines)
    # What is there to be copied is on one line, however long that gets.
    remedies = [line.strip() for line in lines if line.strip().startswith("$ ")]
    assert remedies == [f"$ {command}" for command in BAD.remedy.splitlines()[:2]]
    assert any(line.strip().startswith("or read the pages") for line in lines)
    assert all(len(line) <= 80 for line in lines if "$ " not in line)


def test_an_engine_that_cannot_run_is_an_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    advice = "This is a chroot.\nsudo systemd-nspawn"
    monkeypatch.setattr("pytest_sandbox.local.probe", lambda: Report((BAD,), None, advice))

    assert main(["doctor"]) == 1

    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("no  overlayfs") for line in lines)
    assert "no  a sandbox, end to end  not tried" in lines
    assert any(line.startswith("ok  engine process         NO ISOLATION") for line in lines)
    assert lines[-5:] == [
        "Sandboxes do not work here.",
        "What to do:",
        "    This is a chroot.",
        "    $ sudo systemd-nspawn",
        "Without isolation, see above: pytest --sandbox-engine=process",
    ]


def test_a_trial_that_fails_is_shown_with_its_reason() -> None:
    failed = replace(CHECKUP, trial=Trial(False, "the disk is full", "Make room.", {}))

    text = render(failed)

    assert not failed.usable
    assert "no  a sandbox, end to end  the disk is full" in text
    assert f"{'':26} Make room." in text.splitlines()


def test_a_trial_says_why_there_is_no_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = ("-c", "raise SystemExit('broken')")
    monkeypatch.setattr("pytest_sandbox._run.engine_process.SERVER", broken)

    trial = _checkup.trial()

    assert not trial.ok
    assert "ended with status 1 before it was ready" in trial.detail


def test_a_package_that_is_compiled_anew_each_time_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.cache_from_source", lambda path: __file__)
    assert probing._not_compiled() == []

    monkeypatch.setattr("importlib.util.cache_from_source", lambda path: "/no/such/file")
    (finding,) = probing._not_compiled()

    assert not finding.ok
    assert finding.remedy.endswith("-m compileall -q " + str(Path(pytest_sandbox.__path__[0])))
