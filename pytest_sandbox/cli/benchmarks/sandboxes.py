"""The figures of engines and sandboxes: their start and their end."""

import subprocess
import sys
import time

from pytest_sandbox import Client, Image, Sandbox
from pytest_sandbox._run import Run

from .baselines import FRESH_FOLDER, plain_subprocess
from .samples import Samples
from .session import Bench

#: Seconds between two sandboxes of an agent, in which the engine can make the next one.
PAUSE = 0.015
_MOST_STARTS = 20  # samples: each is slow


def start(bench: Bench) -> None:
    """The start of an engine, until it answers, and its end."""
    ours, baseline = Samples(), bench.baseline()
    for _ in bench.cycles("engine start and end", _MOST_STARTS):
        with baseline.sample():
            subprocess.run([sys.executable, "-c", ""], check=True)
        run = Run.create()
        with ours.sample():
            run.start("local")
        run.close()
    bench.timing("engine start", ours, "python -c ''", baseline)


def create(bench: Bench) -> None:
    """From `Sandbox.create` to the first output of its command; and then its end."""
    ours, baseline, ends = Samples(), bench.baseline(), Samples()
    with bench.engine_without_spares():
        for _ in bench.cycles("create + echo + read + end, create + end"):
            plain_subprocess(baseline)
            sandbox = first_output(ours)
            sandbox.terminate()
            idle = Sandbox.create()
            with ends.sample():
                idle.terminate()
    bench.timing("create -> first output of echo", ours, FRESH_FOLDER, baseline)
    bench.timing("terminate", ends, FRESH_FOLDER, baseline)


def spare(bench: Bench) -> None:
    """The same with pauses, as agents make them: the engine may use them to prepare."""
    ours, baseline = Samples(), bench.baseline()
    for _ in bench.cycles("create + echo + read + end, pause"):
        plain_subprocess(baseline)
        sandbox = first_output(ours)
        sandbox.terminate()
        time.sleep(PAUSE)
    name = f"create -> first output, {PAUSE * 1000:.0f} ms apart"
    bench.timing(name, ours, FRESH_FOLDER, baseline)


def first_output(
    samples: Samples,
    image: Image | None = None,
    client: Client | None = None,
    workdir: str | None = None,
) -> Sandbox:
    """A new sandbox, timed until its command has written a line."""
    with samples.sample():
        with samples.step("create"):
            sandbox = Sandbox.create("echo", "hello", image=image, client=client, workdir=workdir)
        with samples.step("read"):
            line = next(iter(sandbox.stdout))
    assert line == "hello\n", line
    return sandbox
