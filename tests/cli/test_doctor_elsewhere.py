"""`pytest-sandbox doctor` for engines other than the local one."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from pytest_sandbox.cli import main
from pytest_sandbox.local.kernel import landlock
from pytest_sandbox.processes import report as process_report
from tests.support.far_machine import far_machine

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_sandbox._shared.network.engine_address import RemoteAddress


@pytest.fixture(scope="module")
def far() -> Iterator[RemoteAddress]:
    """Another machine, with the engine of processes."""
    with far_machine("--engine", "process") as (address, _):
        yield address


def findings(out: str) -> dict[str, dict[str, object]]:
    return {each["name"]: each for each in json.loads(out)["findings"]}


def test_the_engine_of_processes_is_tried_and_says_what_it_is(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["doctor", "--engine", "process", "--json"]) == 0

    out = capsys.readouterr().out
    told = json.loads(out)
    assert (told["engine"], told["usable"], told["trial"]["ok"]) == ("process", True, True)
    assert told["mode"].startswith("NO ISOLATION")
    assert not findings(out)["isolation"]["ok"]
    assert {"Landlock", "own user ids", "writing", "reading", "network"} <= findings(out).keys()


def test_what_holds_no_program_is_said_with_what_follows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(landlock, "version", lambda: 0)
    monkeypatch.setattr("os.geteuid", lambda: 1000)

    report = process_report.examined()

    wrong = {each.name: each for each in report.findings if not each.ok}
    assert wrong.keys() == {"isolation", "Landlock", "own user ids"}
    assert "Programs write wherever you may write" in wrong["Landlock"].consequence
    assert "Programs read all that you may read" in wrong["own user ids"].consequence
    assert report.mode == "NO ISOLATION, your own user id, no Landlock"
    monkeypatch.setattr(landlock, "version", lambda: 3)
    held = {each.name: each.detail for each in process_report.examined().findings}
    assert held["Landlock"] == (
        "version 3; it holds connections from Linux 6.7 on, signals from Linux 6.12 on"
    )


def test_another_machine_is_reached_and_tried(
    far: RemoteAddress, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PYTEST_SANDBOX_ENGINE", far.whole)

    assert main(["doctor"]) == 0

    out = capsys.readouterr().out
    assert far.token not in out
    assert "has the fingerprint" in out
    assert "token and version" in out
    assert "processors" in out
    assert f"Sandboxes work at {far.place}: NO ISOLATION" in out


def test_another_machine_that_refuses_says_why(
    far: RemoteAddress, capsys: pytest.CaptureFixture[str]
) -> None:
    for wrong, why in (
        (replace(far, token="wr0ng"), "does not know this token"),
        (replace(far, fingerprint="0" * 64), "another fingerprint"),
        (replace(far, port=1), "cannot be reached: Connection refused"),
    ):
        assert main(["doctor", "--engine", wrong.whole, "--json"]) == 1
        out = capsys.readouterr().out
        (finding,) = findings(out).values()
        assert why in str(finding["detail"])
        assert finding["remedy"]
        assert json.loads(out)["trial"]["detail"] == "not tried"
        assert main(["doctor", "--engine", wrong.whole]) == 1
        out = capsys.readouterr().out
        assert f"Sandboxes do not work at {wrong.place}." in out
        assert far.token not in out
        assert "--sandbox-engine=process" not in out


@pytest.mark.parametrize(
    ("engine", "why"),
    [
        ("fake", "it cannot check 'fake'"),
        ("grpcs://s3cret@h:1", "it cannot check 'grpcs://TOKEN@h:1'"),
        ("grpc+tls://s3cret@h", "it has no port"),
    ],
)
def test_what_is_no_place_is_refused(
    engine: str, why: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["doctor", "--engine", engine]) == 2
    said = capsys.readouterr().err
    assert "pytest-sandbox doctor: --engine: " in said
    assert why in said
    assert "s3cret" not in said
    monkeypatch.setenv("PYTEST_SANDBOX_ENGINE", engine)
    assert main(["doctor"]) == 2
    assert "pytest-sandbox doctor: PYTEST_SANDBOX_ENGINE: " in capsys.readouterr().err
