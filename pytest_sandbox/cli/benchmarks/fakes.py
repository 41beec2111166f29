"""The figures of sandboxes in memory."""

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from google.protobuf.empty_pb2 import Empty
from grpclib.client import UnaryUnaryMethod
from grpclib.const import Cardinality, Handler
from grpclib.testing import ChannelFor

from pytest_sandbox.client import Client, Sandbox
from pytest_sandbox.client.transport import portal
from pytest_sandbox.engine import TaskSpec
from pytest_sandbox.fakes import FakeEngine
from pytest_sandbox.inmemory import FakeSandboxes

from .samples import Samples
from .session import Bench

#: How many calls a sandbox with one command takes.
CALLS = 5
SUITE = 1000
TREE = 100_000

_HEAD = f"""
import pytest
from pytest_sandbox import Sandbox
from pytest_sandbox.cli.benchmarks.memory import rss_bytes

@pytest.fixture(autouse=True)
def measured(request):
    yield
    if request.node.name in ("test_it[{SUITE // 10}]", "test_it[{SUITE - 1}]"):
        with open(request.config.rootpath / "rss", "a") as file:
            print(rss_bytes(), file=file)

@pytest.mark.parametrize("number", range({SUITE}))
"""
_EMPTY_TEST = """
def test_it(number):
    pass
"""
_TEST = """
def test_it(fake_sandboxes, number):
    fake_sandboxes.on_exec("make", "test").reply(stdout="ok\\n")
    sandbox = Sandbox.create()
    process = sandbox.exec("make", "test")
    assert process.stdout.read() == "ok\\n"
    assert process.wait() == 0
    sandbox.terminate()
"""


class _Bare:
    """A service with one call that does nothing."""

    PATH = "/bench.Bare/Call"

    def __mapping__(self) -> dict[str, Handler]:
        return {self.PATH: Handler(self._call, Cardinality.UNARY_UNARY, Empty, Empty)}

    async def _call(self, stream: Any) -> None:
        await stream.recv_message()
        await stream.send_message(Empty())


def fake(bench: Bench) -> None:
    """The whole life of a sandbox in memory, through HTTP/2."""
    ours, baseline = Samples(), bench.baseline()
    connection = ChannelFor([_Bare()])
    bare = UnaryUnaryMethod(portal().run(connection.__aenter__), _Bare.PATH, Empty, Empty)
    before = Client.set_default(None)
    with FakeSandboxes() as sandboxes:
        sandboxes.on_exec("make", "test").reply(stdout="ok\n")
        _life(Samples())
        for _ in bench.cycles("fake: create + exec + read + wait + end"):
            with baseline.sample():
                for _ in range(CALLS):
                    portal().run(lambda: bare(Empty()))
            _life(ours)
    Client.set_default(before)
    portal().run(lambda: connection.__aexit__(None, None, None))
    name = "fake: create + exec + read + wait + end"
    bench.timing(name, ours, f"{CALLS} calls of bare grpclib", baseline)


def _life(samples: Samples) -> None:
    with samples.sample():
        with samples.step("create"):
            sandbox = Sandbox.create()
        with samples.step("exec"):
            process = sandbox.exec("make", "test")
        with samples.step("read"):
            assert process.stdout.read() == "ok\n"
        with samples.step("wait"):
            assert process.wait() == 0
        with samples.step("terminate"):
            sandbox.terminate()


def fake_suite(bench: Bench) -> None:
    """Many tests with an engine in memory each, in one process of pytest."""
    _, usual = _run(_EMPTY_TEST)
    times = []
    for _ in bench.cycles(f"{SUITE} tests, each with fake_sandboxes", 1):
        seconds, grown = _run(_TEST)
        times.append(seconds)
    bench.fact(f"{SUITE} tests, each with fake_sandboxes", times, "s")
    bench.fact("  pytest grows by, more than with empty tests", (grown - usual) / 1e6, "MB")


def _run(test: str) -> tuple[float, int]:
    """Seconds that the tests take, and bytes that pytest grows by from the 100th to the last."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    env = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "pytest.ini").write_text("[pytest]\naddopts = -p pytest_sandbox.plugin\n")
        Path(folder, "test_suite.py").write_text(_HEAD + test.lstrip())
        started = time.perf_counter()
        subprocess.run(command, cwd=folder, env=env, check=True, stdout=subprocess.DEVNULL)
        seconds = time.perf_counter() - started
        early, late = map(int, Path(folder, "rss").read_text().split())
    return seconds, late - early


def fork(bench: Bench) -> None:
    """A snapshot of a large tree in memory, and a restore from it."""
    asyncio.run(_fork(bench))


async def _fork(bench: Bench) -> None:
    snapshots, restores, baseline = Samples(), Samples(), bench.baseline()
    engine = FakeEngine()
    await engine.start()
    task = await engine.create(TaskSpec())
    for number in range(TREE):
        task.view.write(f"/srv/{number % 316}/{number}", b"x")
    names = dict.fromkeys(range(TREE))
    for number in bench.cycles(f"fake: snapshot + restore of {TREE:,} files"):
        with baseline.sample():
            names.copy()
        with snapshots.sample():
            snapshot = await task.snapshot()
        with restores.sample():
            other = await engine.create(TaskSpec(image=snapshot))
        other.view.write("/srv/0/0", b"changed")
        task.view.write(f"/srv/new{number}", b"new")
        await other.kill()
        await engine.forget(snapshot)
    await engine.close()
    name = f"dict of {TREE:,} copied"
    bench.timing(f"fake: snapshot of {TREE:,} files", snapshots, name, baseline)
    bench.timing(f"fake: restore of {TREE:,} files", restores, name, baseline)
