"""The figures of container engines, where they are installed and running.

Each is used through its command line, as a test suite without this package would use it.
"""

import contextlib
import io
import re
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

from pytest_sandbox import Client, Sandbox

from .samples import Samples
from .session import Bench

#: Extra options of each engine, for machines with both versions of cgroups.
ENGINES: dict[str, tuple[str, ...]] = {"docker": (), "podman": ("--cgroups=disabled",)}
_RUN = ("--network", "none", "--ulimit", "nofile=1024:1024", "--ulimit", "nproc=4096:4096")
_IMAGE = "pytest-sandbox-bench"
_PROGRAMS = ("/bin/sh", "/usr/bin/head", "/usr/bin/sleep")
_WRITE = "head -c 10000000 /dev/zero > /data"
_TIMEOUT = 60.0
_MOST = 20  # samples: each is slow, and they vary little


def containers(bench: Bench) -> None:
    """Take a snapshot of a sandbox that wrote files, restore it, wait for the first output."""
    ours = Samples()
    for _ in bench.cycles("create + run + snapshot + restore + 2 ends", _MOST):
        sandbox = Sandbox.create()
        sandbox.run("sh", "-c", _WRITE, check=True)
        with ours.sample():
            image = sandbox.snapshot_filesystem()
            copy = Sandbox.create("echo", "hello", image=image)
            assert next(iter(copy.stdout)) == "hello\n"
        copy.terminate()
        sandbox.terminate()
        Client.default().extensions.forget_image(image)
    for name in ENGINES:
        samples = _samples(name, min(_MOST, bench.samples))
        if isinstance(samples, str):
            bench.skip(f"{name}: {samples}")
        else:
            bench.timing(f"{name} commit + run -> output", samples, "snapshot + restore here", ours)


def _samples(tool: str, count: int) -> Samples | str:
    """The timings of a container engine, or why it cannot be measured."""
    if shutil.which(tool) is None:
        return "not installed"
    info = subprocess.run([tool, "info"], capture_output=True, text=True)
    if info.returncode:
        return info.stderr.strip().splitlines()[-1] if info.stderr.strip() else "does not run"
    try:
        with _image(tool):
            return _times(tool, count)
    except subprocess.CalledProcessError as error:
        return f"{' '.join(error.cmd)}: {error.stderr.strip()}"
    except subprocess.TimeoutExpired as error:
        return f"{' '.join(error.cmd)}: not done within {_TIMEOUT:g} seconds"


def _times(tool: str, count: int) -> Samples:
    samples = Samples()
    options = (*_RUN, *ENGINES[tool])
    for _ in range(count):
        started = _call(tool, "run", "-d", *options, _IMAGE, "/usr/bin/sleep", "600").strip()
        _call(tool, "exec", started, "/bin/sh", "-c", _WRITE)
        with samples.sample():
            copy = _call(tool, "commit", started).strip()
            out = _call(tool, "run", "--rm", *options, copy, "/bin/sh", "-c", "echo hello")
        assert out == "hello\n", out
        _call(tool, "rm", "--force", started)
        _call(tool, "rmi", copy)
    return samples


@contextlib.contextmanager
def _image(tool: str) -> Iterator[None]:
    """A small image of programs of this machine, so that nothing has to be downloaded."""
    subprocess.run([tool, "import", "-", _IMAGE], input=_root(), check=True, capture_output=True)
    try:
        yield
    finally:
        _call(tool, "rmi", "--force", _IMAGE)


def _root() -> bytes:
    """A tar archive of a few programs with the libraries that they need."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for path in sorted({*_PROGRAMS, *(lib for each in _PROGRAMS for lib in _libraries(each))}):
            archive.add(Path(path).resolve(), path.lstrip("/"))
    return buffer.getvalue()


def _libraries(program: str) -> list[str]:
    return re.findall(r"(/\S+) \(0x", _call("ldd", program))


def _call(*command: str) -> str:
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=_TIMEOUT)
    return done.stdout
