"""The figures of container engines that take snapshots, where they are installed and running."""

from pytest_sandbox import Client, Sandbox

from .container_engines import IMAGE, ContainerEngine, container_engines
from .samples import Samples
from .session import Bench

_WRITE = "head -c 10000000 /dev/zero > /data"
_MOST = 20  # samples: each is slow, and they vary little


def containers(bench: Bench) -> None:
    """Take a snapshot of a sandbox that wrote files, restore it, wait for the first output."""
    ours = Samples()
    with container_engines(bench) as engines:
        samples = {engine: Samples() for engine in engines}
        for _ in bench.cycles("snapshot and restore here and with container engines", _MOST):
            _here(ours)
            for engine in engines:
                _there(engine, samples[engine])
    for engine in engines:
        name = f"{engine.tool} commit + run -> output"
        bench.timing(name, samples[engine], "snapshot + restore here", ours)


def _here(samples: Samples) -> None:
    sandbox = Sandbox.create()
    sandbox.run("sh", "-c", _WRITE, check=True)
    with samples.sample():
        image = sandbox.snapshot_filesystem()
        copy = Sandbox.create("echo", "hello", image=image)
        assert next(iter(copy.stdout)) == "hello\n"
    copy.terminate()
    sandbox.terminate()
    Client.default().extensions.forget_image(image)


def _there(engine: ContainerEngine, samples: Samples) -> None:
    started = engine.call("run", "-d", *engine.options, IMAGE, "/usr/bin/sleep", "600").strip()
    engine.call("exec", started, "/bin/sh", "-c", _WRITE)
    with samples.sample():
        copy = engine.call("commit", started).strip()
        out = engine.call("run", "--rm", *engine.options, copy, "/bin/echo", "hello")
    assert out == "hello\n", out
    engine.remove(started)
    engine.call("rmi", copy)
