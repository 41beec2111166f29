"""The figures that need no sandbox measure what they say."""

import os
from collections.abc import Iterator

import pytest

from pytest_sandbox.cli.benchmarks import fakes, gpus
from pytest_sandbox.cli.benchmarks.session import Bench
from pytest_sandbox.client import Client


@pytest.fixture
def bench() -> Iterator[Bench]:
    before = Client.set_default(None)
    bench = Bench(samples=2, live=1)
    yield bench
    bench._run.close()
    Client.set_default(before)


def test_a_life_is_measured_beside_bare_calls(bench: Bench) -> None:
    fakes.fake(bench)

    (row,) = bench.timings
    assert (row["n"], row["baseline"]) == (2, "5 calls of bare grpclib")
    assert row["p50_ms"] > 0 < row["baseline_p50_ms"]


def test_a_fork_is_measured_with_its_way_back(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fakes, "TREE", 100)
    fakes.fork(bench)

    names = [row["name"] for row in bench.timings]
    assert names == ["fake: snapshot of 100 files", "fake: restore of 100 files"]


def test_a_lease_is_measured_beside_a_lock(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTEST_SANDBOX_GPU_LOCKS", "/no/such/folder")
    gpus.gpu(bench)

    (row,) = bench.timings
    assert (row["n"], row["baseline"]) == (2, "one lock of a file")
    assert os.environ["PYTEST_SANDBOX_GPU_LOCKS"] == "/no/such/folder"


def test_a_suite_is_a_run_of_pytest(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fakes, "_HEAD", fakes._HEAD.replace("range(1000)", "(0, 100, 999)"))
    fakes.fake_suite(bench)

    seconds, _ = bench.facts
    assert seconds["value"] > 0
