"""`pytest-sandbox doctor` for engines other than the local one."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib.metadata import PackageNotFoundError
from typing import TYPE_CHECKING

import pytest

from pytest_sandbox.cli import _checkup, _ray_checkup, main
from pytest_sandbox.cli._checkup import Trial
from pytest_sandbox.cluster import ExaminedCluster, ExaminedNode
from pytest_sandbox.engine import EngineUnavailable
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


def test_the_engine_in_memory_needs_nothing_and_is_tried(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["doctor", "--engine", "fake"]) == 0

    out = capsys.readouterr().out
    assert "it needs nothing of the machine" in out
    assert "ok  a sandbox, end to end" in out
    assert out.endswith("\nSandboxes work here: in memory.\n")
    assert "images of registries" not in out


def version_of_ray(monkeypatch: pytest.MonkeyPatch, found: str) -> None:
    def version(_: str) -> str:
        if not found:
            raise PackageNotFoundError("ray")
        return found

    monkeypatch.setattr(_ray_checkup, "version", version)


@pytest.mark.parametrize(
    ("found", "ok", "words"),
    [
        ("", False, "it is not installed"),
        ("2.9.3", False, "2.9.3; 2.49 is needed"),
        ("2.49.0", True, "2.49.0; all nodes need it, and the same Python"),
        ("3.0.0", True, "2.60 is the newest that was tried"),
        ("nightly", True, "2.60 is the newest that was tried"),
    ],
)
def test_which_ray_is_installed(
    found: str, ok: bool, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def no_cluster(_: str) -> ExaminedCluster:
        raise EngineUnavailable("the Ray cluster ray://h:1 has not answered for 25 s", "Is it up?")

    version_of_ray(monkeypatch, found)
    monkeypatch.setattr(_ray_checkup, "examined_cluster", no_cluster)
    report = _ray_checkup.examined_ray("ray://h:1")
    package, *others = report.findings
    assert (package.ok, report.usable) == (ok, False)
    assert words in package.detail
    assert ok or "[ray]" in package.remedy
    assert [(each.detail, each.remedy) for each in others] == (
        [("the Ray cluster ray://h:1 has not answered for 25 s", "Is it up?")] if ok else []
    )


def test_each_node_of_a_cluster_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    good = ExaminedNode("h1", "4 CPU, 1 GPU, H100", "root", ("no GPU: there is no driver",))
    bad = ExaminedNode("h2", "8 CPU", "", ("No module named pytest_sandbox",))

    async def cluster(_: str) -> ExaminedCluster:
        return ExaminedCluster("the one that this machine belongs to", (good, bad))

    version_of_ray(monkeypatch, "2.60.0")
    monkeypatch.setattr(_ray_checkup, "examined_cluster", cluster)
    monkeypatch.setattr(
        _checkup, "trial", lambda engine: Trial(True, "", "", {}, "", f"by {engine}")
    )
    assert main(["doctor", "--engine", "ray"]) == 0
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert "ok cluster of Ray the one that this machine belongs to" in lines
    here = lines.index("ok node h1 4 CPU, 1 GPU, H100; root")
    assert lines[here + 1 : here + 4] == [
        "no GPU: there is no driver",
        "-- node h2 8 CPU; it has no engine: No module named pytest_sandbox",
        "no sandbox is on this node",
    ]
    assert lines[-1] == "Sandboxes work on the cluster of Ray: by ray."


@pytest.mark.parametrize(
    ("engine", "why"),
    [
        ("fakes", "it cannot check 'fakes'"),
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
