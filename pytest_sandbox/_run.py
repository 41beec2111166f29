"""A run: the folder, the lease and the one engine process that a test run shares.

    pytest-sandbox-XXXXXXXX/     0700, made by `Run.create`
        lease                    locked by the process that owns the run, for as long as it lives
        start.lock               locked by whoever starts the engine; then holds what came of it
        socket                   where the engine process serves
        server.log               its standard error

The lease is a record lock (`fcntl(2)`, `F_SETLK`): the kernel releases it when its owner dies,
however it dies, and `fork` does not inherit it. The engine process waits for that lock, and ends
everything when it gets it. So nothing here needs to run for a run to be cleaned up. The folder of
a run whose engine process was killed too, or never started, is removed by the next engine process.
"""

import atexit
import contextlib
import fcntl
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

PREFIX = "pytest-sandbox-"
#: What Python runs as the engine process.
SERVER = ("-m", "pytest_sandbox.server")
#: Seconds that an engine may take to become ready.
START_TIMEOUT = 30.0
#: Seconds that an engine may take to end its sandboxes before it is killed.
CLOSE_TIMEOUT = 10.0
#: Bytes of `server.log` shown in errors.
LOG_TAIL = 4096
#: The longest path that a Unix socket can be bound to, `sun_path` of unix(7) less its NUL.
_SUN_PATH = 107
_POLL = 0.005

#: Makes the client of this process that is the default, while a test run has one: set by the
#: plugin, asked by the client, here because loading this module costs little.
default_client: Callable[[], Any] | None = None


class EngineStartError(Exception):
    """The engine process could not be started, or is gone.

    Args:
        reason: what happened.
        remedy: what to do about it; empty if nothing is known.
        log: the end of what the process wrote to its standard error.
    """

    def __init__(self, reason: str, remedy: str = "", log: str = "") -> None:
        parts = [
            f"no sandbox engine: {reason}",
            f"What to do: {remedy}" if remedy else "",
            f"The end of its log:\n{log}" if log else "",
        ]
        super().__init__("\n".join(part for part in parts if part))
        self.reason = reason
        self.remedy = remedy
        self.log = log


@dataclass(frozen=True)
class Server:
    """An engine process that is ready.

    Attributes:
        socket: the path of its Unix socket.
        pid: its process id.
        engine: what it is: `name`, `mode`, `capabilities`, `details`.
        tcp: where real Modal clients reach it, if that was asked for.
    """

    socket: str
    pid: int
    engine: Mapping[str, Any] = field(default_factory=dict)
    tcp: Mapping[str, Any] | None = None


class Run:
    """One run directory, owned (`create`) or shared by a process of the owner's (`attach`)."""

    def __init__(self, directory: Path, lease: int | None) -> None:
        self.directory = directory
        self._lease = lease
        self._pid = os.getpid()
        self._record: dict[str, Any] | None = None
        self._child: _Child | None = None

    @classmethod
    def create(cls) -> "Run":
        """Make a run that lives until `close`, or until this process is gone.

        Raises:
            EngineStartError: the temporary folder cannot hold a run.
        """
        parent = Path(tempfile.gettempdir()).resolve()
        directory = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
        if len(os.fsencode(directory / "socket")) > _SUN_PATH:
            directory.rmdir()
            raise EngineStartError(
                f"the path {str(directory / 'socket')!r} is too long for a Unix socket",
                "Set TMPDIR to a folder with a shorter path.",
            )
        # Locked before it gets its name, so that nobody ever sees a lease that is not held.
        lease = os.open(directory / "lease.new", os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        fcntl.lockf(lease, fcntl.LOCK_EX)
        os.rename(directory / "lease.new", directory / "lease")
        run = cls(directory, lease)
        atexit.register(run.close)
        return run

    @classmethod
    def attach(cls, directory: str | os.PathLike[str]) -> "Run":
        """Share the run that another process owns, as the workers of pytest-xdist do."""
        return cls(Path(directory), None)

    @property
    def started(self) -> bool:
        """Whether anybody started the engine, or tried to."""
        return self._record is not None or self._read_record() is not None

    def socket(self, engine: str = "local", options: Mapping[str, str] | None = None) -> str:
        """The path of the engine's Unix socket; see `start`."""
        return self.start(engine, options).socket

    def start(
        self, engine: str = "local", options: Mapping[str, str] | None = None, *, tcp: str = ""
    ) -> Server:
        """The engine process of this run, started by whoever asks first.

        Args:
            engine: the engine's name.
            options: the engine's, name to value as text.
            tcp: `HOST:PORT`, to serve Modal clients there too.

        Raises:
            EngineStartError: it cannot be started, or it died. It is never started twice: its
                sandboxes died with it, and a second one would only hide that.
        """
        arguments = ["--engine", engine]
        for name, value in sorted((options or {}).items()):
            arguments += ["--engine-option", f"{name}={value}"]
        if tcp:
            arguments += ["--tcp", tcp]
        if self._record is None:
            with self._start_lock() as file:
                self._record = self._started(file, arguments)
        record = self._record
        if record["arguments"] != arguments:
            raise EngineStartError(
                f"this run's engine was started with {' '.join(record['arguments'])!r}, "
                f"so {' '.join(arguments)!r} cannot be had",
                "One run has one engine.",
            )
        if error := record.get("error"):
            raise EngineStartError(error["reason"], error.get("remedy", ""), error.get("log", ""))
        ready = record["ready"]
        if not _alive(ready["pid"], record["born"]):
            raise EngineStartError(
                f"the engine process {ready['pid']} died during the run", "", self._log_tail()
            )
        return Server(ready["socket"], ready["pid"], ready["engine"], ready["tcp"])

    def close(self) -> None:
        """Let the lease go and wait until the engine process and the folder are gone.

        Takes at most about `CLOSE_TIMEOUT`: an engine that is not gone by then is killed. Does
        nothing for a run that was attached, in a fork of its owner, and when called again.
        """
        if self._lease is None or os.getpid() != self._pid:
            return
        record = self._record or self._read_record()
        os.close(self._lease)
        self._lease = None
        atexit.unregister(self.close)
        if record and "ready" in record:
            _end(record["ready"]["pid"], record["born"], self._child)
        shutil.rmtree(self.directory, ignore_errors=True)

    @contextlib.contextmanager
    def _start_lock(self) -> Iterator[IO[str]]:
        """The open `start.lock`, locked by flock(2), which also keeps threads apart."""
        path = self.directory / "start.lock"
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        except FileNotFoundError:
            raise EngineStartError(f"the run in {self.directory} is over") from None
        with open(descriptor, "a+", encoding="utf-8") as file:
            _flock(file)
            try:
                yield file
                file.flush()
            finally:
                # Closing would not do, should a fork of this process hold the descriptor too.
                fcntl.flock(file, fcntl.LOCK_UN)

    def _started(self, file: IO[str], arguments: list[str]) -> dict[str, Any]:
        """What came of starting the engine, now or by another process before."""
        file.seek(0)
        if text := file.read():
            held: dict[str, Any] = json.loads(text)
            return held
        try:
            record = self._launch(arguments)
        except EngineStartError as error:
            record = {"error": {"reason": error.reason, "remedy": error.remedy, "log": error.log}}
        record["arguments"] = arguments
        file.write(json.dumps(record))
        return record

    def _launch(self, arguments: list[str]) -> dict[str, Any]:
        command = [sys.executable, *SERVER, *arguments]
        with open(self.directory / "server.log", "ab") as log:
            child = _Child(
                [*command, "--run-dir", str(self.directory)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                cwd=self.directory,  # `-m` puts it first on sys.path: not the user's folder
                start_new_session=True,  # Ctrl-C is for the tests, which then end the run
            )
        try:
            answer = _answer(child)
            born = _born(answer["pid"])
        except EngineStartError as error:
            _stop(child)
            raise EngineStartError(error.reason, error.remedy, self._log_tail()) from None
        except BaseException:
            _stop(child)
            raise
        self._child = child
        return {"ready": answer, "born": born}

    def _read_record(self) -> dict[str, Any] | None:
        try:
            text = (self.directory / "start.lock").read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        return json.loads(text) if text else None

    def _log_tail(self) -> str:
        try:
            data = (self.directory / "server.log").read_bytes()
        except FileNotFoundError:
            return ""
        return data[-LOG_TAIL:].decode(errors="replace").strip()


class _Child(subprocess.Popen[bytes]):
    """The engine process, which may outlive the worker that started it: no warning about that."""

    def __del__(self) -> None:
        pass


def _flock(file: IO[str]) -> None:
    deadline = time.monotonic() + START_TIMEOUT + CLOSE_TIMEOUT
    while not _try_flock(file):
        if time.monotonic() > deadline:
            raise EngineStartError(
                f"another process holds {file.name} and does not finish starting the engine"
            )
        time.sleep(_POLL)


def _try_flock(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _answer(child: _Child) -> dict[str, Any]:
    """The line with which the child says that it is ready."""
    line = _first_line(child, START_TIMEOUT)
    if not line:
        raise EngineStartError(_why_silent(child))
    try:
        answer = json.loads(line)
        if error := answer.get("error"):
            raise EngineStartError(error["reason"], error.get("remedy", ""))
        return {"tcp": None, "engine": {}, **answer, "pid": int(answer["pid"])}
    except (ValueError, AttributeError, TypeError, KeyError):
        raise EngineStartError(
            f"the engine process said {line[:200]!r} instead of being ready"
        ) from None


def _first_line(child: _Child, timeout: float) -> bytes:
    """What the child says first, at most until it closes its output or time is up."""
    assert child.stdout is not None
    deadline = time.monotonic() + timeout
    line = b""
    with child.stdout as stdout:
        poll = select.poll()
        poll.register(stdout, select.POLLIN)
        while not line.endswith(b"\n"):
            ready = poll.poll(max(0.0, deadline - time.monotonic()) * 1000)
            data = os.read(stdout.fileno(), 65536) if ready else b""
            if not data:
                break
            line += data
    return line


def _why_silent(child: _Child) -> str:
    try:
        return f"the engine process ended with status {child.wait(1.0)} before it was ready"
    except subprocess.TimeoutExpired:
        return f"the engine process was not ready within {START_TIMEOUT:g} seconds"


def _stop(child: _Child) -> None:
    """End a child that did not become ready; one that said why not is about to end itself."""
    try:
        child.wait(1.0)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def _end(pid: int, born: str, child: _Child | None) -> None:
    """Wait until the engine process is gone; reap it if it is a child of ours."""
    if not _gone(pid, born, CLOSE_TIMEOUT):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        _gone(pid, born, CLOSE_TIMEOUT)
    if child is not None:
        # Waited for, not polled: a process whose other threads still end cannot be reaped yet.
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(CLOSE_TIMEOUT)


def _gone(pid: int, born: str, timeout: float) -> bool:
    deadline = time.monotonic() + timeout
    while _alive(pid, born):
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL)
    return True


def _born(pid: int) -> str | None:
    """When a process started, in clock ticks since boot (proc_pid_stat(5), field 22).

    Together with its id that names a process for good. `None` once it is gone or a zombie.
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="latin-1")
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else fields[19]


def _alive(pid: int, born: str) -> bool:
    return _born(pid) == born
