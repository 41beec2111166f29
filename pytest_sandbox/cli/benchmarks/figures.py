"""The figures. Each times its baseline in the same run, in turn with its own samples."""

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from pytest_sandbox import Client, Sandbox

from .containers import containers
from .fakes import fake, fork, suite
from .gpus import gpu
from .memory import available_bytes, rss_bytes
from .memory_snapshots import memory
from .networks import network
from .samples import Samples
from .sandbox_networks import sandbox_network
from .session import Bench
from .snapshots import depth, restore, snapshot, template_suite

TRUE = "/bin/true"


def plain_subprocess(samples: Samples) -> None:
    """The baseline of creation: one process in a fresh temporary folder."""
    with samples.sample(), tempfile.TemporaryDirectory() as folder:
        subprocess.run([TRUE], cwd=folder, check=True)


def bare_subprocess(samples: Samples) -> None:
    """The baseline of exec: one process."""
    with samples.sample():
        subprocess.run([TRUE], check=True)


def create(bench: Bench) -> None:
    """From `Sandbox.create` to the first output of its command; and then its end."""
    ours, baseline, ends = Samples(), Samples(), Samples()
    for _ in range(bench.samples):
        plain_subprocess(baseline)
        with ours.sample():
            with ours.step("create"):
                sandbox = Sandbox.create("echo", "hello")
            with ours.step("read"):
                line = next(iter(sandbox.stdout))
        assert line == "hello\n", line
        sandbox.terminate()
        idle = Sandbox.create()
        with ends.sample():
            idle.terminate()
    bench.timing("create -> first output of echo", ours, "subprocess in a fresh folder", baseline)
    bench.timing("terminate", ends, "subprocess in a fresh folder", baseline)


def exec_true(bench: Bench) -> None:
    """From `exec` to the exit code, in a running sandbox."""
    ours, baseline = Samples(), Samples()
    sandbox = Sandbox.create()
    sandbox.exec(TRUE).wait()
    for _ in range(bench.samples):
        bare_subprocess(baseline)
        with ours.sample():
            with ours.step("start"):
                process = sandbox.exec(TRUE)
            with ours.step("wait"):
                code = process.wait()
        assert code == 0, code
    sandbox.terminate()
    bench.timing("exec /bin/true -> exit code", ours, "subprocess", baseline)


def files(bench: Bench) -> None:
    """Writing a small file and reading it back."""
    ours, baseline = Samples(), Samples()
    sandbox = Sandbox.create()
    for _ in range(bench.samples):
        plain_subprocess(baseline)
        with ours.sample():
            with ours.step("write"):
                sandbox.filesystem.write_text("print(6 * 7)", "/srv/app.py")
            with ours.step("read"):
                text = sandbox.filesystem.read_text("/srv/app.py")
        assert text == "print(6 * 7)", text
    sandbox.terminate()
    bench.timing("file write + read", ours, "subprocess in a fresh folder", baseline)


def crowd(bench: Bench) -> None:
    """Creation beside many live sandboxes, and what each of them costs."""
    alone, beside = Samples(), Samples()
    for _ in range(bench.samples):
        with alone.sample():
            sandbox = Sandbox.create()
        sandbox.terminate()
    before = available_bytes()
    live = [Sandbox.create() for _ in range(bench.live)]
    each = (before - available_bytes()) / bench.live
    for _ in range(bench.samples):
        with beside.sample():
            sandbox = Sandbox.create()
        sandbox.terminate()
    started = time.perf_counter()
    for sandbox in live:
        sandbox.terminate()
    bench.timing(
        f"create beside {bench.live} live sandboxes", beside, "create, engine empty", alone
    )
    bench.fact(f"memory of each of {bench.live} live sandboxes", each / 1e6, "MB")
    bench.fact(f"ending {bench.live} sandboxes", time.perf_counter() - started, "s")


def concurrent(bench: Bench, size: int = 50) -> None:
    """Sandboxes created, used and ended at once by the async client."""

    async def one() -> None:
        sandbox = await Sandbox.create.aio()
        process = await sandbox.exec.aio("echo", "hello")
        assert await process.stdout.read.aio() == "hello\n"
        assert await process.wait.aio() == 0
        await sandbox.terminate.aio()

    async def all_at_once() -> None:
        await asyncio.gather(*(one() for _ in range(size)))

    rates = []
    for _ in range(3):
        started = time.perf_counter()
        asyncio.run(all_at_once())
        rates.append(size / (time.perf_counter() - started))
    bench.fact(f"{size} concurrent create + exec + read + end", sorted(rates)[1], "per second")


def stream(bench: Bench, size: int = 1_000_000_000) -> None:
    """A long output, read as bytes, and how much memory it takes at both ends."""
    sandbox = Sandbox.create()
    engine = bench.engine_pid()
    before = rss_bytes(), rss_bytes(engine)
    highest = [0, 0]
    received = 0
    started = time.perf_counter()
    process = sandbox.exec("head", "-c", str(size), "/dev/zero", text=False)
    for index, chunk in enumerate(process.stdout):
        received += len(chunk)
        if index % 64 == 0:
            highest = [max(highest[0], rss_bytes()), max(highest[1], rss_bytes(engine))]
    seconds = time.perf_counter() - started
    assert received == size, received
    assert process.wait() == 0
    sandbox.terminate()
    bench.fact("stdout of one command, bytes", size / seconds / 1e6, "MB/s")
    bench.fact("  growth of the client meanwhile", (highest[0] - before[0]) / 1e6, "MB")
    bench.fact("  growth of the engine meanwhile", (highest[1] - before[1]) / 1e6, "MB")


def recording(bench: Bench, calls: int = 20) -> None:
    """How much recording slows each call."""
    on, off = Samples(), Samples()
    sandbox = Sandbox.create()
    inspector = Client.default().inspector

    def poll(samples: Samples) -> None:
        with samples.sample():
            for _ in range(calls):
                sandbox.poll()

    poll(Samples())
    for _ in range(bench.samples):
        poll(off)
        inspector.record_start()
        poll(on)
        inspector.record_stop()
    sandbox.terminate()
    bench.timing(f"{calls} calls, recorded", on, "not recorded", off)
    bench.fact("  recording adds to each", (on.p50 - off.p50) / calls * 1000, "us")


def collect(bench: Bench) -> None:
    """How much the plugin slows a project that does not use it; no other plugin is loaded."""
    ours, baseline = Samples(), Samples()
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider"]
    # With compiled modules, as an installation has them.
    env = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    env["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "pytest.ini").write_text("[pytest]\n")
        for _ in range(max(20, bench.samples // 3)):
            for samples, extra in ((ours, ["-p", "pytest_sandbox.plugin"]), (baseline, [])):
                with samples.sample():
                    subprocess.run([*command, *extra], cwd=folder, env=env, capture_output=True)
    bench.timing("pytest --collect-only", ours, "without the plugin", baseline)
    bench.fact("  the plugin adds", ours.p50 - baseline.p50, "ms")


FIGURES: dict[str, Callable[[Bench], None]] = {
    "create": create,
    "exec": exec_true,
    "files": files,
    "concurrent": concurrent,
    "stream": stream,
    "recording": recording,
    "crowd": crowd,
    "collect": collect,
    "fake": fake,
    "fake-suite": suite,
    "fork": fork,
    "snapshot": snapshot,
    "restore": restore,
    "depth": depth,
    "template-suite": template_suite,
    "memory": memory,
    "gpu": gpu,
    "network": network,
    "sandbox-network": sandbox_network,
    "containers": containers,
}
