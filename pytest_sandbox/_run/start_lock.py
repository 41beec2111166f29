"""`start.lock`: one process starts the engine of a run, and all others read the result."""

import contextlib
import fcntl
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

from pytest_sandbox._shared import real
from pytest_sandbox._shared.lazy_dataclass import dataclass

from . import engine_process
from .errors import EngineStartError

_NAME = "start.lock"
_POLL = 0.005


@dataclass(frozen=True)
class StartRecord:
    """The result of starting the engine.

    Attributes:
        arguments: of the engine process.
        ready: the fields of its `EngineProcess`; `None` if it could not be started.
        error: the arguments of the `EngineStartError`; `None` if it was started.
    """

    arguments: list[str]
    ready: Mapping[str, Any] | None = None
    error: Mapping[str, str] | None = None


class StartLock:
    """The lock, held.

    Attributes:
        descriptor: of the locked file.
    """

    def __init__(self, file: IO[str]) -> None:
        self._file = file
        self.descriptor = file.fileno()

    @property
    def record(self) -> StartRecord | None:
        """The result, if the engine was started before."""
        self._file.seek(0)
        return _parsed(self._file.read())

    def write(self, record: StartRecord) -> None:
        """Let all others have the result."""
        self._file.write(json.dumps(asdict(record)))
        self._file.flush()

    def release(self) -> None:
        """Let others have the lock."""
        # Unlocked, not only closed: the engine process has the same open file, and so may a fork
        # of this process.
        fcntl.flock(self._file, fcntl.LOCK_UN)
        self._file.close()


@contextlib.contextmanager
def start_lock(directory: Path, start_timeout: float) -> Iterator[StartLock]:
    """Hold the lock of a run; flock(2) keeps threads apart too.

    Args:
        directory: of the run.
        start_timeout: seconds that the engine may take, which another process may be starting.

    Raises:
        EngineStartError: the run has ended, or another process holds the lock too long.
    """
    try:
        descriptor = os.open(directory / _NAME, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
    except FileNotFoundError:
        raise EngineStartError(f"the run in {directory} has ended") from None
    timeout = start_timeout + engine_process.CLOSE_TIMEOUT
    with open(descriptor, "a+", encoding="utf-8") as file:
        if not _acquire(file, timeout):
            raise EngineStartError(
                f"another process holds {file.name} and does not finish starting the engine"
            )
        lock = StartLock(file)
        yield lock
        # After an interrupt it is only closed, so that an engine process which was about to start
        # keeps the lock until it is gone.
        lock.release()


def lock_now(directory: Path) -> StartLock | None:
    """The lock of a run, if nothing else holds it and the engine was not started yet.

    Raises:
        OSError: the run has ended.
    """
    descriptor = os.open(directory / _NAME, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
    file = open(descriptor, "a+", encoding="utf-8")  # noqa: SIM115 - until it is released
    if _try_to_acquire(file):
        lock = StartLock(file)
        if lock.record is None:
            return lock
        lock.release()
    file.close()
    return None


def read_record(directory: Path) -> StartRecord | None:
    """The result of starting the engine, if that was tried and has ended."""
    try:
        return _parsed((directory / _NAME).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None


@contextlib.contextmanager
def starting(directory: Path) -> Iterator[Callable[[float], StartRecord | None]]:
    """Waits for an engine that is starting now, also if it removes the directory meanwhile.

    Args:
        directory: of the run.

    Returns:
        A function that gives the result, after the engine is ready or gone, or so many seconds.
    """
    with contextlib.ExitStack() as stack:
        try:
            file = stack.enter_context(open(directory / _NAME, encoding="utf-8"))
        except FileNotFoundError:
            yield lambda timeout: None
            return

        def wait(timeout: float) -> StartRecord | None:
            _acquire(file, timeout)
            return _parsed(file.read())

        yield wait


def _parsed(text: str) -> StartRecord | None:
    return StartRecord(**json.loads(text)) if text else None


def _acquire(file: IO[str], timeout: float) -> bool:
    """Whether the lock could be had in time."""
    deadline = real.monotonic() + timeout
    while not _try_to_acquire(file):
        if real.monotonic() > deadline:
            return False
        time.sleep(_POLL)
    return True


def _try_to_acquire(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
