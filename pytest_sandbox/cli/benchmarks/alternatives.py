"""The figures of other ways to isolate what a test runs, each where it is installed.

Each makes something isolated, runs `echo` in it and waits for its line; runs `echo` once more; and
ends it. What has to be there before, such as images and daemons, is.
"""

import os
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import PackageNotFoundError, version

from pytest_sandbox import Client, Sandbox

from .baselines import FRESH_FOLDER, plain_subprocess, why_not
from .container_engines import IMAGE, ContainerEngine, container_engines
from .samples import Samples
from .sandboxes import first_output
from .session import Bench

_MOST = 20  # samples: some take a second
#: Seconds of a test, during which the sandbox of the next test is made.
_MEANWHILE = 0.05
_ECHO = ("/bin/echo", "hello")
_SLEEP = ("/usr/bin/sleep", "600")
#: All namespaces, and the files of this machine, read-only.
BUBBLEWRAP = (
    *("bwrap", "--unshare-all", "--die-with-parent", "--ro-bind", "/", "/"),
    *("--dev", "/dev", "--proc", "/proc", "--tmpfs", "/tmp"),
)


@dataclass
class _Times:
    """What one way takes; what it has not remains empty."""

    first: Samples = field(default_factory=Samples)
    further: Samples = field(default_factory=Samples)
    end: Samples = field(default_factory=Samples)


def alternatives(bench: Bench) -> None:
    """Create -> first output, a further command, and the end, of each way in turn."""
    baseline = bench.baseline()
    with container_engines(bench) as engines:
        ways: dict[str, Callable[[_Times], None]] = {
            "subprocess": _subprocess,
            "pytest-sandbox": _here,
            "pytest-sandbox, made ahead": partial(_made_ahead, Client.default()),
        }
        ways |= _bubblewrap_if_installed(bench)
        for engine in engines:
            ways[engine.tool] = partial(_container, engine)
        if any(engine.tool == "docker" for engine in engines):
            ways |= _testcontainers_if_installed(bench)
        times = {name: _Times() for name in ways}
        with bench.engine_without_spares():
            for _ in bench.cycles("each way of isolation once", _MOST):
                plain_subprocess(baseline)
                for name, way in ways.items():
                    way(times[name])
    for name, each in times.items():
        for what, samples in (
            ("create -> first output", each.first),
            ("a further command", each.further),
            ("end", each.end),
        ):
            if samples.totals:
                bench.timing(f"{name}: {what}", samples, FRESH_FOLDER, baseline)


def _subprocess(times: _Times) -> None:
    """No isolation; a fresh folder."""
    with times.first.sample(), tempfile.TemporaryDirectory() as folder:
        subprocess.run(_ECHO, cwd=folder, check=True, stdout=subprocess.PIPE)
    with times.further.sample():
        subprocess.run(_ECHO, check=True, stdout=subprocess.PIPE)


def _made_ahead(client: Client, times: _Times) -> None:
    """As the fixture `sandbox` has it: the engine makes it while the test before runs."""
    client.extensions.prepare()
    time.sleep(_MEANWHILE)
    first_output(times.first, client=client).terminate()


def _here(times: _Times) -> None:
    first_output(times.first).terminate()
    sandbox = Sandbox.create()
    with times.further.sample():
        done = sandbox.run("echo", "hello")
    assert done.stdout == "hello\n", done
    with times.end.sample():
        sandbox.terminate()


def _bubblewrap_if_installed(bench: Bench) -> dict[str, Callable[[_Times], None]]:
    if reason := why_not(*BUBBLEWRAP):
        bench.skip(f"bubblewrap: {reason}")
        return {}
    bench.tell_version("bubblewrap", _output(BUBBLEWRAP[0], "--version").split()[-1])
    return {"bubblewrap": _bubblewrap}


def _bubblewrap(times: _Times) -> None:
    """One for each command: nothing outlives it, and there is nothing to end."""
    for samples in (times.first, times.further):
        with samples.sample():
            output = _output(*BUBBLEWRAP, *_ECHO)
        assert output == "hello\n", output


def _container(engine: ContainerEngine, times: _Times) -> None:
    run = (engine.tool, "run", *engine.options)
    with times.first.sample():
        process = subprocess.Popen([*run, "--rm", IMAGE, *_ECHO], stdout=subprocess.PIPE)
        assert process.stdout is not None
        line = process.stdout.readline()
    assert line == b"hello\n", line
    process.communicate()  # the container is removed
    container = _output(*run, "--detach", IMAGE, *_SLEEP).strip()
    with times.further.sample():
        output = engine.call("exec", container, *_ECHO)
    assert output == "hello\n", output
    with times.end.sample():
        engine.remove(container)


def _testcontainers_if_installed(bench: Bench) -> dict[str, Callable[[_Times], None]]:
    try:
        bench.tell_version("testcontainers", version("testcontainers"))
    except PackageNotFoundError:
        bench.skip("testcontainers: not installed")
        return {}
    # Its helper that removes containers later is an image to download; they are removed here.
    os.environ["TESTCONTAINERS_RYUK_DISABLED"] = "true"
    return {"testcontainers": _testcontainers}


def _testcontainers(times: _Times) -> None:
    from testcontainers.core.container import DockerContainer

    container = DockerContainer(IMAGE).with_command(list(_SLEEP)).with_kwargs(network_mode="none")
    with times.first.sample():
        container.start()
        output = container.exec(list(_ECHO)).output
    assert output == b"hello\n", output
    with times.further.sample():
        container.exec(list(_ECHO))
    with times.end.sample():
        container.stop()


def _output(*command: str) -> str:
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
