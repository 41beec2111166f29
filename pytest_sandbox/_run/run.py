"""A run, as its owner and the processes it shares it with see it."""

import atexit
import fcntl
import hashlib
import os
import subprocess
import tempfile
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from pytest_sandbox._shared import real, run_directory
from pytest_sandbox._shared.namespaces_of import namespaces_of
from pytest_sandbox._shared.real import real_files

from . import engine_process
from .engine_process import (
    Child,
    EngineProcess,
    launch,
    log_tail,
    start_timeout,
    wait_until_ready,
)
from .errors import EngineStartError
from .inheritance import Announcement, RunSettings, check_reachable, own_version
from .start_lock import StartLock, StartRecord, lock_now, read_record, start_lock, starting

#: The longest path that a Unix socket can be bound to: `sun_path` of unix(7) less its NUL.
_SUN_PATH = 107


class Run:
    """A run, owned by this process (`create`) or by another one (`attach`).

    Attributes:
        directory: where its files are.
    """

    def __init__(self, directory: Path, lease: int | None) -> None:
        self.directory = directory
        self._lease = lease
        self._pid = os.getpid()
        self._record: StartRecord | None = None
        self._child: Child | None = None
        self._starter: threading.Thread | None = None
        self._announcement: Announcement | None = None

    @classmethod
    @real_files()
    def create(cls) -> "Run":
        """Make a run that lives until `close`, or until this process is gone.

        Raises:
            EngineStartError: the temporary directory cannot hold a run.
        """
        parent = Path(tempfile.gettempdir()).resolve()
        directory, lease = _new_directory(parent)
        if len(os.fsencode(directory / "socket")) > _SUN_PATH:
            os.close(lease)
            run_directory.remove(directory)
            raise EngineStartError(
                f"the path {str(directory / 'socket')!r} is too long for a Unix socket",
                "Set TMPDIR to a directory with a shorter path.",
            )
        run = cls(directory, lease)
        atexit.register(run.close)
        return run

    @classmethod
    def attach(cls, directory: str | os.PathLike[str]) -> "Run":
        """Share the run that another process owns, as the workers of pytest-xdist do."""
        return cls(Path(directory), None)

    @classmethod
    @real_files()
    def join(cls, inherited: str) -> EngineProcess:
        """The engine process of a run that this process has inherited; started if need be.

        Args:
            inherited: what `inherited()` returned.

        Raises:
            EngineStartError: the run cannot be used from here, its engine cannot be started, or
                that has died.
        """
        check_reachable(inherited)
        run = cls.attach(inherited)
        settings = RunSettings.read(run.directory)
        return run.start(settings.engine, settings.options)

    @real_files()
    def announce(self, engine: str = "local", options: Mapping[str, str] | None = None) -> None:
        """Let the processes that this one starts find the run, until it is closed.

        Args:
            engine: the engine's name.
            options: the engine's, name to value as text.
        """
        if self._lease is not None:
            spaces = namespaces_of("self")
            RunSettings(own_version(), engine, options or {}, spaces).write(self.directory)
        self._announcement = Announcement(str(self.directory))

    def conceal(self) -> None:
        """Let the processes that this one starts from now on not find the run."""
        if self._announcement is not None:
            self._announcement.end()

    @property
    def started(self) -> bool:
        """Whether the engine was started, or that failed."""
        return self._record is not None or read_record(self.directory) is not None

    def socket(self, engine: str = "local", options: Mapping[str, str] | None = None) -> str:
        """The path of the engine's Unix socket; see `start`."""
        return self.start(engine, options).socket

    def start_soon(self, engine: str = "local", options: Mapping[str, str] | None = None) -> None:
        """Start the engine process and return; `start` with the same arguments waits for it.

        An error is raised there.
        """
        if self._starter is not None or self._record is not None:
            return
        with real_files(), suppress(OSError):
            lock = lock_now(self.directory)
            if lock is not None:
                public, token = _without_token(engine)
                self._launch(_arguments(public, options), lock, token)

    def _launch(self, arguments: list[str], lock: StartLock, token: str) -> None:
        """Launch the engine process, and have a thread wait until it is ready.

        Not all in the thread: a fork of this process, as tests make, would have what a launch in
        another thread has open just then, and the launch would wait for the end of the fork.
        """
        try:
            child = self._child = launch(self.directory, arguments, lock.descriptor, token)
        except OSError:
            lock.release()
            raise
        self._starter = threading.Thread(
            target=self._wait_behind,
            args=(arguments, child, lock),
            name="engine start",
            daemon=True,
        )
        self._starter.start()

    def _wait_behind(self, arguments: list[str], child: Child, lock: StartLock) -> None:
        with suppress(OSError, ValueError):  # the run has ended meanwhile
            self._record = self._ready(arguments, child)
            lock.write(self._record)
            lock.release()

    def wait_for_start(self) -> None:
        """Return when `start_soon` has done its work: it uses files, which a test may replace."""
        if self._starter is not None:
            self._starter.join()

    def start(
        self,
        engine: str = "local",
        options: Mapping[str, str] | None = None,
        *,
        tcp: str = "",
        further: Sequence[str] = (),
    ) -> EngineProcess:
        """The engine process of this run, started by the first call in any process.

        Args:
            engine: the engine's name.
            options: the engine's, name to value as text.
            tcp: `HOST:PORT`, to serve Modal clients there too.
            further: arguments of the engine process.

        Raises:
            EngineStartError: it cannot be started, or it died. It is never started twice: its
                sandboxes died with it, and a second one would only hide that.
        """
        public, token = _without_token(engine)
        arguments = _arguments(public, options)
        if tcp:
            arguments += ["--tcp", tcp]
        arguments += further
        self.wait_for_start()
        if self._record is None:
            self._record = self._started(arguments, token)
        if self._record.arguments != arguments:
            raise EngineStartError(
                f"one run has one engine, started with {' '.join(self._record.arguments)!r}; "
                f"{' '.join(arguments)!r} is not possible"
            )
        return self._living(self._record)

    @real_files()
    def first_to_report(self, error: EngineStartError, place: str) -> str:
        """Where this error was first reported, by any process of the run.

        Args:
            error: the error.
            place: where it is to be reported now, which the first call with this error gets back.
        """
        name = f"reported-{hashlib.sha256(error.reason.encode()).hexdigest()[:16]}"
        part = self.directory / f"{name}-{os.getpid()}"
        try:
            part.write_text(place)
            with suppress(FileExistsError):
                os.link(part, self.directory / name)  # never there without its content
            part.unlink()
            return (self.directory / name).read_text()
        except OSError:  # such as a run directory that is gone
            return place

    @real_files()
    def close(self) -> None:
        """Release the lease and wait until the engine process and the directory are gone.

        Takes at most about `CLOSE_TIMEOUT`: an engine that is not gone by then is killed. A run
        that was attached, or one of the parent of a fork, goes on; the processes that this one
        starts do not find it any more.
        """
        self.conceal()
        if self._lease is None or os.getpid() != self._pid:
            return
        timeout = engine_process.CLOSE_TIMEOUT
        if self._starter is not None and self._starter.is_alive():
            self._interrupt_start(self._starter)
        # Another process may be starting the engine now: one without a lease ends itself.
        with starting(self.directory) as started:
            os.close(self._lease)
            self._lease = None
            atexit.unregister(self.close)
            record = self._record or started(timeout)
        if record is not None and record.ready is not None:
            EngineProcess(**record.ready).end()
        if self._child is not None:
            # Waited for, not polled: a process whose other threads still end cannot be reaped yet.
            with suppress(subprocess.TimeoutExpired):
                self._child.wait(timeout)
        run_directory.remove(self.directory)

    def _interrupt_start(self, starter: threading.Thread) -> None:
        """Kill an engine that is starting for nothing, as Ctrl-C does while `start` waits."""
        if self._child is not None:
            self._child.kill()
        starter.join(engine_process.CLOSE_TIMEOUT)

    @real_files()
    def _started(self, arguments: list[str], token: str) -> StartRecord:
        """The result of starting the engine, now or before."""
        with start_lock(self.directory, start_timeout(arguments)) as lock:
            record = lock.record
            if record is None:
                record = self._launched(arguments, lock.descriptor, token)
                lock.write(record)
        return record

    def _launched(self, arguments: list[str], lock: int, token: str) -> StartRecord:
        self._child = launch(self.directory, arguments, lock, token)
        return self._ready(arguments, self._child)

    def _ready(self, arguments: list[str], child: Child) -> StartRecord:
        """The result of a launch."""
        try:
            process = wait_until_ready(self.directory, child, start_timeout(arguments))
        except EngineStartError as error:
            said = {"reason": error.reason, "remedy": error.remedy, "log": error.log}
            return StartRecord(arguments, error=said)
        return StartRecord(arguments, ready=asdict(process))

    def _living(self, record: StartRecord) -> EngineProcess:
        if record.error is not None:
            raise EngineStartError(**record.error)
        assert record.ready is not None
        process = EngineProcess(**record.ready)
        if not process.is_alive and not real.os.path.exists(self.directory):
            raise EngineStartError(f"the run in {self.directory} has ended")
        if not process.is_alive:
            raise EngineStartError(
                f"the engine process {process.pid} died during the run",
                log=log_tail(self.directory),
            )
        return process


def _without_token(engine: str) -> tuple[str, str]:
    """The name of an engine, and the token that is in it if it is an address."""
    if "://" not in engine:
        return engine, ""
    from pytest_sandbox._shared.network.engine_address import InvalidAddress, split

    try:
        return split(engine)
    except InvalidAddress as error:
        raise EngineStartError(error.reason, error.remedy) from None


def _arguments(engine: str, options: Mapping[str, str] | None) -> list[str]:
    """Those of the engine process that say what it is to run."""
    arguments = ["--engine", engine]
    for name, value in sorted((options or {}).items()):
        arguments += ["--engine-option", f"{name}={value}"]
    return arguments


def _new_directory(parent: Path) -> tuple[Path, int]:
    """A new run directory, and a descriptor of its lease, which this process holds."""
    while True:
        directory = Path(tempfile.mkdtemp(prefix=run_directory.PREFIX, dir=parent))
        new = directory / run_directory.NEW_LEASE
        # Until there is a lease, an engine process that starts may take it for left over. Then once
        # more.
        with suppress(FileNotFoundError):
            lease = os.open(new, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
            try:
                # Locked before it gets its name, so that no process ever sees a lease that is not
                # held.
                fcntl.lockf(lease, fcntl.LOCK_EX)
                os.rename(new, directory / run_directory.LEASE)
            except BaseException:
                os.close(lease)
                raise
            return directory, lease
