"""The figures of an engine on another machine: over TLS to this one, beside the local engine."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_sandbox import Client, Sandbox
from pytest_sandbox._run import Run

from .baselines import TRUE
from .samples import Samples
from .sandboxes import first_output

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .session import Bench

#: Bytes of the output and of the files whose speed is measured.
_MUCH = 500_000_000
_MOST_STREAMS = 5  # samples: each is slow
_CHUNK = 64 * 1024 * 1024
#: Lives in a row on each engine, after one that does not count: after its last life an engine makes
#: a spare, which would run into the life on the other engine.
_IN_A_ROW = 5


def remote(bench: Bench) -> None:
    """A sandbox and its first output, a command, output and uploads, over TLS on loopback."""
    try:
        import trustme  # noqa: F401  # what the far side makes its certificate with
    except ImportError:
        bench.skip("an engine over TLS: trustme is not installed")
        return
    life, life_here = Samples(), Samples()
    run, run_here = Samples(), Samples()
    with _engine_over_tls() as far:
        standing, standing_here = Sandbox.create(client=far), Sandbox.create()
        engines = ((life_here, None), (life, far))
        rows = max(1, bench.samples // _IN_A_ROW)
        for _ in bench.cycles("lives in a row: over TLS, and local", rows):
            for samples, client in engines:
                first_output(Samples(), client=client).terminate()
                for _ in range(_IN_A_ROW):
                    first_output(samples, client=client).terminate()
        for _ in bench.cycles("run: over TLS, and local"):
            for samples, sandbox in ((run_here, standing_here), (run, standing)):
                with samples.sample():
                    sandbox.run(TRUE)
        here = "the local engine"
        bench.timing("over TLS: create -> first output", life, here, life_here)
        bench.timing("over TLS: run /bin/true", run, here, run_here)
        bench.fact("output over TLS", _output(bench, standing), "MB/s")
        bench.fact("upload over TLS", _upload(bench, standing), "MB/s")
        standing.terminate()
        standing_here.terminate()


def _output(bench: Bench, sandbox: Sandbox) -> list[float]:
    speeds = []
    for _ in bench.cycles("output over TLS", _MOST_STREAMS):
        samples = Samples()
        with samples.sample():
            process = sandbox.exec("head", "-c", str(_MUCH), "/dev/zero", text=False)
            size = sum(len(part) for part in process.stdout)
        assert size == _MUCH, size
        speeds.append(_MUCH / 1000 / samples.p50)
    return speeds


def _upload(bench: Bench, sandbox: Sandbox) -> list[float]:
    speeds = []
    with tempfile.TemporaryDirectory() as folder:
        with (Path(folder) / "file").open("wb") as file:
            for _ in range(_MUCH // _CHUNK):
                file.write(bytes(_CHUNK))
            size = file.tell()
        for number in bench.cycles("upload over TLS", _MOST_STREAMS):
            samples = Samples()
            with samples.sample():
                sandbox.upload(folder, f"/srv/{number}")
            sandbox.run("rm", "-r", f"/srv/{number}")
            speeds.append(size / 1000 / samples.p50)
    return speeds


@contextlib.contextmanager
def _engine_over_tls() -> Iterator[Client]:
    command = [sys.executable, "-m", "pytest_sandbox.cli", "serve", "--listen", "127.0.0.1:0"]
    with subprocess.Popen(
        [*command, "--until-eof"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as serving:
        assert serving.stdout is not None
        run = Run.create()
        try:
            client = Client(run.start(serving.stdout.readline().strip()).socket)
            yield client
            client.close()
        finally:
            run.close()
