"""Starting the engine process, and ending it."""

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import field
from pathlib import Path
from typing import Any

from pytest_sandbox._shared import real
from pytest_sandbox._shared.engine_options import CLOUD_ENGINE, RAY, TOKEN_VARIABLE
from pytest_sandbox._shared.lazy_dataclass import dataclass

from .errors import EngineStartError
from .inheritance import RUN_VARIABLE
from .processes import start_time, wait_until_gone

#: What Python runs as the engine process: `-m pytest_sandbox.server`, but without the garbage
#: collector, which finds nothing in what is imported and takes a tenth of the time of that.
SERVER = (
    "-c",
    "import gc; gc.disable(); from pytest_sandbox.server.__main__ import start; start()",
)
#: The same for Modal's cloud, where no engine runs here.
CLOUD = (
    "-c",
    "import gc; gc.disable(); from pytest_sandbox.cloud.__main__ import start; start()",
)
#: Seconds that an engine may take to become ready.
START_TIMEOUT = 30.0
#: The same for Ray, of which a cluster may have to be started first.
RAY_START_TIMEOUT = 120.0
#: Seconds that an engine may take to end its sandboxes before it is killed.
CLOSE_TIMEOUT = 10.0
#: Bytes of `server.log` that errors show.
_LOG_TAIL = 4096
#: Seconds that a process which failed to start has to end by itself.
_EXIT_TIMEOUT = 1.0


@dataclass(frozen=True)
class EngineProcess:
    """An engine process that is ready.

    Attributes:
        socket: the path of its Unix socket.
        pid: its process id.
        engine: what it is: `name`, `mode`, `capabilities`, `details`.
        tcp: where real Modal clients reach it, if that was asked for.
        started: when the process started, as `start_time` has it.
    """

    socket: str
    pid: int
    engine: Mapping[str, Any] = field(default_factory=dict)
    tcp: Mapping[str, Any] | None = None
    started: str | None = field(default=None, compare=False, repr=False)

    @property
    def is_alive(self) -> bool:
        """Whether it still runs."""
        return self.started is not None and start_time(self.pid) == self.started

    def end(self) -> None:
        """Wait until it is gone, which its lease tells it to be; kill it after `CLOSE_TIMEOUT`."""
        if not wait_until_gone(self.pid, self.started, CLOSE_TIMEOUT):
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
            wait_until_gone(self.pid, self.started, CLOSE_TIMEOUT)


class Child(subprocess.Popen[bytes]):
    """The engine process as a child of the process that started it, which it may outlive."""

    def __del__(self) -> None:
        """Do not warn about a child that still runs."""


def launch(directory: Path, arguments: Sequence[str], lock: int, token: str = "") -> Child:
    """Start an engine process.

    Args:
        directory: of the run.
        arguments: of the engine process.
        lock: a locked descriptor for the process to inherit.
        token: of an engine on another machine. Every user of this one can read arguments, but not
            the environment of another user's process.
    """
    with open(directory / "server.log", "ab") as log:
        return Child(
            [sys.executable, *_program(arguments), *arguments, "--run-dir", str(directory)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            env=_environment(directory, token),
            cwd=directory,  # `-m` puts it first on sys.path: not the user's directory
            start_new_session=True,  # Ctrl-C is for the tests, which then end the run
            pass_fds=[lock],
        )


def _program(arguments: Sequence[str]) -> Sequence[str]:
    """What Python runs, by the arguments that it gets."""
    return CLOUD if list(arguments[:2]) == ["--engine", CLOUD_ENGINE] else SERVER


def start_timeout(arguments: Sequence[str]) -> float:
    """Seconds that an engine process may take to become ready, by its arguments."""
    return RAY_START_TIMEOUT if list(arguments[:2]) == ["--engine", RAY] else START_TIMEOUT


def wait_until_ready(directory: Path, child: Child, timeout: float) -> EngineProcess:
    """Wait until a child is ready.

    Args:
        directory: of the run.
        child: as `launch` returned it.
        timeout: seconds that it may take.

    Raises:
        EngineStartError: it did not become ready. It is gone then.
    """
    try:
        answer = _answer(child, timeout)
        return EngineProcess(**answer, started=start_time(answer["pid"]))
    except EngineStartError as error:
        _wait_or_kill(child)
        raise EngineStartError(error.reason, error.remedy, log_tail(directory)) from None
    except BaseException:  # an interrupt
        child.kill()
        child.wait()
        raise


def _environment(directory: Path, token: str) -> dict[str, str]:
    """That of the engine process; its directory for temporary files is where the runs are.

    A test may have changed TMPDIR since the run began, and the engine must not show sandboxes where
    its socket is.
    """
    env = {name: value for name, value in os.environ.items() if name != RUN_VARIABLE}
    if token:
        env[TOKEN_VARIABLE] = token
    return {**env, "TMPDIR": str(directory.parent)}


def log_tail(directory: Path) -> str:
    """The end of what the engine process of a run wrote to its standard error."""
    try:
        data = real.read_file(directory / "server.log")
    except FileNotFoundError:
        return ""
    return data[-_LOG_TAIL:].decode(errors="replace").strip()


def _answer(child: Child, timeout: float) -> dict[str, Any]:
    """The fields of `EngineProcess`, from the line that the child writes when it is ready."""
    line = _first_line(child, timeout)
    if not line:
        raise EngineStartError(_why_silent(child, timeout))
    try:
        answer = json.loads(line)
        if error := answer.get("error"):
            raise EngineStartError(error["reason"], error.get("remedy", ""))
        return {
            "socket": answer["socket"],
            "pid": int(answer["pid"]),
            "engine": answer.get("engine", {}),
            "tcp": answer.get("tcp"),
        }
    except (ValueError, AttributeError, TypeError, KeyError):
        raise EngineStartError(
            f"the engine process said {line[:200]!r} instead of being ready"
        ) from None


def _first_line(child: Child, timeout: float) -> bytes:
    """What the child writes until it ends a line, closes its output, or time is up."""
    assert child.stdout is not None
    deadline = real.monotonic() + timeout
    line = b""
    with child.stdout as stdout:
        poll = select.poll()
        poll.register(stdout, select.POLLIN)
        while not line.endswith(b"\n"):
            ready = poll.poll(max(0.0, deadline - real.monotonic()) * 1000)
            data = os.read(stdout.fileno(), 65536) if ready else b""
            if not data:
                break
            line += data
    return line


def _why_silent(child: Child, timeout: float) -> str:
    try:
        status = child.wait(_EXIT_TIMEOUT)
    except subprocess.TimeoutExpired:
        return f"the engine process was not ready within {timeout:g} seconds"
    return f"the engine process ended with status {status} before it was ready"


def _wait_or_kill(child: Child) -> None:
    """End a child that failed to start; one that said why is about to end by itself."""
    try:
        child.wait(_EXIT_TIMEOUT)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
