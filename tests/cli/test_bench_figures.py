"""The figures of sandboxes, with a local engine; and of other tools, with stand-ins for them."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from pytest_sandbox.cli import main
from pytest_sandbox.cli.benchmarks import alternatives, crowds, figure, remote
from pytest_sandbox.cli.benchmarks.processor_time import tree_cpu_seconds
from pytest_sandbox.cli.benchmarks.session import Bench
from pytest_sandbox.client import Client

DOCKER = """
case $1 in
import) test -s "$2" ;;
info) echo 1.2.3 ;;
run) case "$*" in
    *--runtime*runc*--detach*) echo number ;;
    *--runtime*runc*) echo hello ;;
    *) echo "cgroups: not supported" >&2; exit 1 ;;
    esac ;;
exec) echo hello ;;
rm) test "$3" = number ;;
esac
"""
PODMAN = "echo first >&2; echo 'no room' >&2; exit 1"
BUBBLEWRAP = 'if [ "$1" = --version ]; then echo bubblewrap 4.5; else echo hello; fi'


@pytest.fixture
def default_client() -> Iterator[None]:
    before = Client.set_default(None)
    yield
    Client.set_default(before)


@pytest.mark.usefixtures("default_client")
def test_sandboxes_are_measured_beside_what_tests_do_without(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(crowds, "_SIZE", 2)
    names = ("steps", "spare", "first", "exec", "run", "terminate-all", "crowd")
    with Bench(samples=1, live=2) as bench:
        for name in names:
            figure(name)(bench)
        bench.finish()

    assert bench.leftovers == []
    rows = [row["name"] for row in bench.timings]
    assert rows[:4] == [
        "steps: create -> first output",
        "steps: run -> output, exit code",
        "steps: a call that does nothing",
        "steps: engine alone: create -> first output",
    ]
    assert rows[-8:] == [
        "create -> first output, 15 ms apart",
        "create -> first output, first of its kind",
        "restore -> first output, first of its image",
        "exec /bin/true -> exit code",
        "exec echo -> output, exit code",
        "run /bin/true -> output, exit code",
        "2 ended at once",
        "create beside 2 live sandboxes",
    ]
    assert all(row["p50_ms"] > 0 < row["baseline_p50_ms"] for row in bench.timings)
    # The two of crowd have a cycle each.
    assert len(bench.processor_times) == len(names) + 1


@pytest.mark.usefixtures("default_client")
def test_an_engine_on_another_machine_is_measured_beside_this_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(remote, "_MUCH", 2_000_000)
    monkeypatch.setattr(remote, "_CHUNK", 1_000_000)
    with Bench(samples=1, live=1) as bench:
        remote.remote(bench)
        bench.finish()

    assert bench.leftovers == []
    assert [row["baseline"] for row in bench.timings] == ["the local engine"] * 2
    assert [row["name"] for row in bench.facts] == ["output over TLS", "upload over TLS"]


@pytest.mark.usefixtures("default_client")
def test_any_engine_can_be_measured(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "-n", "1", "--only", "run", "--engine", "fake"]) == 0
    assert "run /bin/true" in capsys.readouterr().out
    assert main(["bench", "-n", "1", "--only", "run", "--engine", "grpc://x@127.0.0.1:1"]) == 1
    assert "cannot be reached" in capsys.readouterr().err
    assert main(["bench", "--compare", "x", "--engine", "fake", "-n", "8"]) == 2


def test_other_tools_are_measured_where_they_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, script in (("docker", DOCKER), ("podman", PODMAN), ("bwrap", BUBBLEWRAP)):
        (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    for ours in ("_here", "_made_ahead"):
        monkeypatch.setattr(alternatives, ours, lambda *_: None)
    monkeypatch.setattr(Client, "default", lambda: None)
    monkeypatch.setattr(alternatives, "_testcontainers_if_installed", lambda bench: {})
    monkeypatch.setattr(Bench, "engine_without_spares", contextlib.nullcontext)
    bench = Bench(samples=1, live=1)
    alternatives.alternatives(bench)
    bench._run.close()

    whats = ("create -> first output", "a further command", "end")
    tools = ("subprocess", "bubblewrap", "docker")
    names = [f"{tool}: {what}" for tool in tools for what in whats]
    for tool in tools[:2]:
        names.remove(f"{tool}: end")  # nothing outlives its command
    assert [row["name"] for row in bench.timings] == names
    assert bench.skipped == ["podman: no room"]
    versions = {"docker": "1.2.3", "bubblewrap": "4.5"}
    assert versions.items() <= bench.versions.items()


def test_processor_time_is_that_of_the_children_too() -> None:
    pid = os.fork()
    if pid == 0:
        if os.fork() == 0:
            sum(range(3_000_000))
            os._exit(0)
        os.wait()
        os.kill(os.getpid(), 19)  # SIGSTOP: its child has ended
        os._exit(0)
    os.waitpid(pid, os.WUNTRACED)
    seconds, all_of_us = tree_cpu_seconds(pid), tree_cpu_seconds(os.getpid())
    os.kill(pid, 9)
    os.waitpid(pid, 0)

    assert 0.02 <= seconds < all_of_us
