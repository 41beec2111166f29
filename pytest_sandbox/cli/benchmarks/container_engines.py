"""Container engines, used through their command lines, as tests without this package use them."""

import contextlib
import io
import re
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeGuard

from .session import Bench

#: Each with the arguments that print its version; of docker, that of the daemon.
_TOOLS = {
    "docker": ("info", "--format", "{{.ServerVersion}}"),
    "podman": ("info", "--format", "{{.Version.Version}}"),
}
IMAGE = "pytest-sandbox-bench"
#: What makes a container like a sandbox: no network, and limits that a machine may insist on.
_RUN = ("--network", "none", "--ulimit", "nofile=1024:1024", "--ulimit", "nproc=4096:4096")
#: Further options, the first of which works: some runtimes refuse machines with both versions of
#: cgroups.
_FURTHER: tuple[tuple[str, ...], ...] = ((), ("--runtime", "runc"), ("--cgroups", "disabled"))
_PROGRAMS = ("/bin/sh", "/bin/echo", "/usr/bin/head", "/usr/bin/sleep")
_TIMEOUT = 60.0


@dataclass(frozen=True)
class ContainerEngine:
    """A container engine that runs.

    Attributes:
        tool: its command.
        options: of `run`.
    """

    tool: str
    options: tuple[str, ...]

    def call(self, *arguments: str) -> str:
        """What a command of it prints."""
        return _call(self.tool, *arguments)

    def remove(self, container: str) -> None:
        """Kill a container and remove it."""
        # podman stops containers first, and waits, unless told not to.
        patience = ("--time", "0") if self.tool == "podman" else ()
        self.call("rm", "--force", *patience, container)


@contextlib.contextmanager
def container_engines(bench: Bench) -> Iterator[list[ContainerEngine]]:
    """Those that run here, with the image `IMAGE`; the reasons of others are noted."""
    with contextlib.ExitStack() as stack:
        found = (_engine_or_reason(tool, stack) for tool in _TOOLS)
        yield [engine for engine in found if _runs(engine, bench)]


def _runs(found: ContainerEngine | str, bench: Bench) -> TypeGuard[ContainerEngine]:
    if isinstance(found, str):
        bench.skip(found)
        return False
    bench.tell_version(found.tool, found.call(*_TOOLS[found.tool]).strip())
    return True


def _engine_or_reason(tool: str, stack: contextlib.ExitStack) -> ContainerEngine | str:
    """The engine, whose image lasts as long as the stack; or why it does not run."""
    if shutil.which(tool) is None:
        return f"{tool}: not installed"
    try:
        stack.enter_context(_image(tool))
        return _engine(tool)
    except subprocess.CalledProcessError as error:
        said = error.stderr.strip().splitlines()
        return f"{tool}: {said[-1] if said else 'does not run'}"
    except subprocess.TimeoutExpired as error:
        return f"{' '.join(error.cmd)}: not done within {_TIMEOUT:g} seconds"


def _engine(tool: str) -> ContainerEngine:
    for further in _FURTHER:
        options = (*_RUN, *further)
        with contextlib.suppress(subprocess.CalledProcessError):
            _call(tool, "run", "--rm", *options, IMAGE, "/bin/echo", "hello")
            return ContainerEngine(tool, options)
    # Once more, for its error.
    _call(tool, "run", "--rm", *_RUN, IMAGE, "/bin/echo", "hello")
    raise AssertionError("unreachable")


@contextlib.contextmanager
def _image(tool: str) -> Iterator[None]:
    """A small image of programs of this machine, so that nothing has to be downloaded."""
    with tempfile.NamedTemporaryFile(suffix=".tar") as archive:
        archive.write(_root())
        archive.flush()
        _call(tool, "import", archive.name, IMAGE)
    try:
        yield
    finally:
        _call(tool, "rmi", "--force", IMAGE)


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
