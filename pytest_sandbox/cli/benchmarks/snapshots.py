"""The figures of snapshots: taking them, restoring them, and stacking many."""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from pytest_sandbox import Client, Image, Sandbox

from .samples import Samples
from .session import Bench

#: Layers of the deep image.
DEPTH = 200
#: How much the big sandbox has written.
BIG_MEGABYTES = 500
BIG_FILES = 5000
#: Seconds of a test, during which the sandbox of the next test is prepared.
_MEANWHILE = 0.05
#: Tests of the suites that are compared.
TESTS = 200

_SET_UP = "mkdir -p /srv/app && cd /srv/app && seq 20000 > data && sort -rn data > sorted"
_SUITE = f"""
import pytest
from pytest_sandbox import sandbox_template

@sandbox_template()
def app(sandbox):
    sandbox.run("sh", "-c", {_SET_UP!r}, check=True)

@pytest.mark.parametrize("number", range({TESTS}))
def test_it(app, number):
    assert app.run("head", "-n", "1", "/srv/app/sorted", check=True).stdout == "20000\\n"
"""
_FRESH_SUITE = _SUITE.replace("@sandbox_template()", "@pytest.fixture").replace(
    "check=True)\n\n", "check=True)\n    return sandbox\n\n", 1
)
_EMPTY_SUITE = f"""
import pytest

@pytest.mark.parametrize("number", range({TESTS}))
def test_it(sandbox, number):
    pass
"""


def snapshot(bench: Bench) -> None:
    """A snapshot of an idle sandbox, small and big, and of one with a running process."""
    small, big, busy = Samples(), Samples(), Samples()
    big_sandbox = _big()
    for _ in range(bench.samples):
        sandbox = Sandbox.create()
        sandbox.run("touch", "/srv/file", check=True)
        _snapshot(sandbox, small)
        sandbox.terminate()
    for _ in range(min(20, bench.samples)):
        _snapshot(big_sandbox, big)
    big_sandbox.terminate()
    for _ in range(3):
        sandbox = _big()
        sandbox.exec("sleep", "600")
        _snapshot(sandbox, busy)
        sandbox.terminate()
    bench.timing(f"snapshot, {BIG_MEGABYTES} MB, idle", big, "snapshot, 1 file, idle", small)
    bench.timing(f"snapshot, {BIG_MEGABYTES} MB, busy", busy, "snapshot, 1 file, idle", small)
    bench.fact("  for each file of a busy sandbox", busy.p50 / BIG_FILES, "ms")


def restore(bench: Bench) -> None:
    """From an image to the first output: small, big, and made ready ahead."""
    small, big, ready, baseline = Samples(), Samples(), Samples(), Samples()
    images = {"small": _image("echo x > /srv/x"), "big": _big_image()}
    extensions = Client.default().extensions
    for _ in range(bench.samples):
        with baseline.sample(), tempfile.TemporaryDirectory() as folder:
            subprocess.run(["/bin/true"], cwd=folder, check=True)
        _first_output(images["small"], small)
        _first_output(images["big"], big)
        extensions.prepare(image=images["small"])
        time.sleep(_MEANWHILE)
        _first_output(images["small"], ready)
    name = "subprocess in a fresh folder"
    bench.timing("restore -> first output", small, name, baseline)
    bench.timing("restore -> first output, from the pool", ready, name, baseline)
    bench.timing(
        f"restore -> first output, {BIG_MEGABYTES} MB", big, "restore -> first output", small
    )


def depth(bench: Bench) -> None:
    """Creation on many layers beside creation on one."""
    one, many = Samples(), Samples()
    sandbox = Sandbox.create()
    images = []
    for number in range(DEPTH):
        sandbox.run("touch", f"/srv/{number}", check=True)
        images.append(sandbox.snapshot_filesystem())
    sandbox.terminate()
    for _ in range(bench.samples):
        for samples, image in ((one, images[0]), (many, images[-1])):
            with samples.sample():
                sandbox = Sandbox.create(image=image)
            sandbox.terminate()
    bench.timing(f"create on {DEPTH} layers", many, "create on 1 layer", one)


def template_suite(bench: Bench) -> None:
    """A suite on one template, beside one that sets up each time and one with nothing to do."""
    empty, fresh, template = (_seconds(text) for text in (_EMPTY_SUITE, _FRESH_SUITE, _SUITE))
    bench.fact(f"suite of {TESTS} tests on one template", template, "s")
    bench.fact("  that sets up for each test instead", fresh, "s")
    bench.fact("  with empty sandboxes", empty, "s")


def _seconds(text: str) -> float:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "test_suite.py").write_text(text)
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
        started = time.perf_counter()
        subprocess.run(command, cwd=folder, check=True, capture_output=True)
        return time.perf_counter() - started


def _snapshot(sandbox: Sandbox, samples: Samples) -> None:
    with samples.sample():
        image = sandbox.snapshot_filesystem()
    Client.default().extensions.forget_image(image)


def _first_output(image: Image, samples: Samples) -> None:
    with samples.sample():
        with samples.step("create"):
            sandbox = Sandbox.create("echo", "hello", image=image)
        with samples.step("read"):
            line = next(iter(sandbox.stdout))
    assert line == "hello\n", line
    sandbox.terminate()


def _image(script: str) -> Image:
    sandbox = Sandbox.create()
    sandbox.run("sh", "-c", script, check=True)
    return Client.default().extensions.snapshot_and_end(sandbox)


def _big_image() -> Image:
    return Client.default().extensions.snapshot_and_end(_big())


def _big() -> Sandbox:
    """A sandbox that has written `BIG_FILES` files, `BIG_MEGABYTES` in all."""
    sandbox = Sandbox.create()
    each = BIG_MEGABYTES * 1000 // BIG_FILES
    script = (
        f"mkdir /srv/big && cd /srv/big && head -c {BIG_MEGABYTES}000000 /dev/zero"
        f" | split -a 4 -b {each}000"
    )
    sandbox.run("sh", "-c", script, check=True)
    return sandbox
