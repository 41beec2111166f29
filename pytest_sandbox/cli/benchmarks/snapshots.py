"""The figures of snapshots: taking them, restoring them, and stacking many."""

import time

from pytest_sandbox import Client, Image, Sandbox

from .baselines import FRESH_FOLDER, plain_subprocess
from .samples import Samples
from .sandboxes import PAUSE, first_output
from .session import Bench

#: Layers of the deep image.
DEPTH = 200
#: How much the big sandbox has written.
BIG_MEGABYTES = 500
BIG_FILES = 5000
#: Seconds of a test, during which the sandbox of the next test is prepared.
_MEANWHILE = 0.05


def snapshot(bench: Bench) -> None:
    """A snapshot of an idle sandbox, small and big, and of one with a running process."""
    small, big, busy = Samples(), Samples(), Samples()
    big_sandbox = _big()
    for _ in bench.cycles("create + run + snapshot + end"):
        sandbox = Sandbox.create()
        sandbox.run("touch", "/srv/file", check=True)
        _snapshot(sandbox, small)
        sandbox.terminate()
    for _ in bench.cycles(f"snapshot, {BIG_MEGABYTES} MB, idle", 20):
        _snapshot(big_sandbox, big)
    big_sandbox.terminate()
    for _ in bench.cycles(f"{BIG_MEGABYTES} MB written, busy, snapshot", 3):
        sandbox = _big()
        sandbox.exec("sleep", "600")
        _snapshot(sandbox, busy)
        sandbox.terminate()
    bench.timing(f"snapshot, {BIG_MEGABYTES} MB, idle", big, "snapshot, 1 file, idle", small)
    bench.timing(f"snapshot, {BIG_MEGABYTES} MB, busy", busy, "snapshot, 1 file, idle", small)
    bench.fact("  for each file of a busy sandbox", busy.p50 / BIG_FILES, "ms")


def restore(bench: Bench) -> None:
    """From an image to the first output: small, big, and made ready ahead."""
    small, big, baseline = Samples(), Samples(), bench.baseline()
    ready, after_pauses = Samples(), bench.baseline()
    with bench.engine_without_spares():
        images = (small, _image("echo x > /srv/x")), (big, _big_image())
        for _ in bench.cycles(f"restore + echo + read + end, 1 file and {BIG_MEGABYTES} MB"):
            plain_subprocess(baseline)
            for samples, image in images:
                first_output(samples, image).terminate()
    image = _image("echo x > /srv/x")
    for _ in bench.cycles("made ready ahead: restore + echo + read + end"):
        Client.default().extensions.prepare(image=image)
        time.sleep(_MEANWHILE)
        plain_subprocess(after_pauses)
        first_output(ready, image).terminate()
    bench.timing("restore -> first output", small, FRESH_FOLDER, baseline)
    bench.timing("restore -> first output, from the pool", ready, FRESH_FOLDER, after_pauses)
    bench.timing(
        f"restore -> first output, {BIG_MEGABYTES} MB", big, "restore -> first output", small
    )


def first(bench: Bench) -> None:
    """The first sandbox of its kind, which the pool cannot have: of a directory, of an image."""
    created, restored, baseline = Samples(), Samples(), bench.baseline()
    for number in bench.cycles("2 * create + echo + read + end, each the first of its kind"):
        plain_subprocess(baseline)
        image = _image("echo x > /srv/x")
        time.sleep(PAUSE)
        first_output(restored, image).terminate()
        time.sleep(PAUSE)
        first_output(created, workdir=f"/srv/{number}").terminate()
        Client.default().extensions.forget_image(image)
    bench.timing("create -> first output, first of its kind", created, FRESH_FOLDER, baseline)
    bench.timing("restore -> first output, first of its image", restored, FRESH_FOLDER, baseline)


def depth(bench: Bench) -> None:
    """Creation on many layers beside creation on one."""
    one, many = Samples(), Samples()
    with bench.engine_without_spares():
        sandbox = Sandbox.create()
        images = []
        for number in range(DEPTH):
            sandbox.run("touch", f"/srv/{number}", check=True)
            images.append(sandbox.snapshot_filesystem())
        sandbox.terminate()
        for _ in bench.cycles(f"create + end on 1 and on {DEPTH} layers"):
            for samples, image in ((one, images[0]), (many, images[-1])):
                with samples.sample():
                    sandbox = Sandbox.create(image=image)
                sandbox.terminate()
    bench.timing(f"create on {DEPTH} layers", many, "create on 1 layer", one)


def _snapshot(sandbox: Sandbox, samples: Samples) -> None:
    with samples.sample():
        image = sandbox.snapshot_filesystem()
    Client.default().extensions.forget_image(image)


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
