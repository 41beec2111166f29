"""The figures of calls: much data, and recording."""

import time

from pytest_sandbox import Client, Sandbox

from .memory import rss_bytes
from .samples import Samples
from .session import Bench

_SIZE = 1_000_000_000
_CALLS = 20


def stream(bench: Bench) -> None:
    """A long output, read as bytes, and how much memory it takes at both ends."""
    sandbox = Sandbox.create()
    engine = bench.engine_pid()
    before = rss_bytes(), rss_bytes(engine)
    highest = [0, 0]
    rates = []
    for _ in bench.cycles("stdout of one command", 1):
        received = 0
        started = time.perf_counter()
        process = sandbox.exec("head", "-c", str(_SIZE), "/dev/zero", text=False)
        for index, chunk in enumerate(process.stdout):
            received += len(chunk)
            if index % 64 == 0:
                highest = [max(highest[0], rss_bytes()), max(highest[1], rss_bytes(engine))]
        rates.append(_SIZE / (time.perf_counter() - started) / 1e6)
        assert received == _SIZE, received
        assert process.wait() == 0
    sandbox.terminate()
    bench.fact("stdout of one command, bytes", rates, "MB/s")
    bench.fact("  growth of the client meanwhile", (highest[0] - before[0]) / 1e6, "MB")
    bench.fact("  growth of the engine meanwhile", (highest[1] - before[1]) / 1e6, "MB")


def recording(bench: Bench) -> None:
    """How much recording slows each call."""
    on, off = Samples(), Samples()
    sandbox = Sandbox.create()
    inspector = Client.default().inspector

    def poll(samples: Samples) -> None:
        with samples.sample():
            for _ in range(_CALLS):
                sandbox.poll()

    poll(Samples())
    for _ in bench.cycles(f"2 * {_CALLS} calls"):
        poll(off)
        inspector.record_start()
        poll(on)
        inspector.record_stop()
    sandbox.terminate()
    bench.timing(f"{_CALLS} calls, recorded", on, "not recorded", off)
    bench.fact("  recording adds to each", (on.p50 - off.p50) / _CALLS * 1000, "us")
