"""The results of building the templates of a run, shared by all workers of pytest-xdist.

    RUN DIRECTORY/templates/KEY     locked with flock(2) while a worker builds; then its result

The lock of a worker that dies while it builds is released, and the file is empty, so the next
worker builds.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import time
from dataclasses import asdict
from typing import IO, TYPE_CHECKING

from pytest_sandbox._shared import real
from pytest_sandbox._shared.lazy_dataclass import dataclass
from pytest_sandbox._shared.real import real_files

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

#: Seconds between two looks at a lock that another worker holds.
_POLL = 0.01


@dataclass(frozen=True)
class Outcome:
    """The result of building the snapshot of a template.

    Attributes:
        image: the id of the image, or of the snapshot with processes; empty if there is none.
        memory: whether it is a snapshot with processes.
        seconds: how long it took.
        worker: the worker that built it; empty without pytest-xdist.
        recalled: whether it was stored by an earlier run.
        not_stored: why it could not be stored for later runs.
        error: why it could not be built.
        skipped: why the function skipped.
    """

    image: str = ""
    memory: bool = False
    seconds: float = 0.0
    worker: str = ""
    recalled: bool = False
    not_stored: str = ""
    error: str = ""
    skipped: str = ""


class OutcomeFile:
    """The file of one outcome, locked by this process."""

    def __init__(self, file: IO[str]) -> None:
        self._file = file

    @property
    def outcome(self) -> Outcome | None:
        """The outcome, if a worker has written one."""
        self._file.seek(0)
        try:
            return Outcome(**json.loads(self._file.read()))
        except ValueError:  # empty; or its writer died in the middle
            return None

    def put(self, outcome: Outcome) -> None:
        """Write the outcome for all workers."""
        self._file.truncate(0)
        self._file.seek(0)
        self._file.write(json.dumps(asdict(outcome)))
        self._file.flush()

    def clear(self) -> None:
        """Remove the outcome, so that the next worker builds again."""
        self._file.truncate(0)


@contextlib.contextmanager
def locked_outcome(
    directory: Path, key: str, timeout: float, title: str = "it"
) -> Iterator[OutcomeFile]:
    """Lock the file of an outcome, as soon as no other worker holds the lock.

    Args:
        directory: of all outcomes; made if it is missing.
        key: of the variant.
        timeout: seconds to wait for another worker.
        title: of the variant, for the message.

    Raises:
        TimeoutError: another worker held the lock for longer.
    """
    with real_files():
        file = _opened(str(directory), key)
    with file:
        with real_files():
            _lock(file, timeout, title)
        try:
            yield OutcomeFile(file)
        finally:
            # Unlocked, not only closed: a fork of this process may have the same open file.
            with real_files():
                fcntl.flock(file, fcntl.LOCK_UN)


def _opened(directory: str, key: str) -> IO[str]:
    # Not by the methods of a path: pyfakefs may have made it.
    with contextlib.suppress(FileExistsError):
        os.mkdir(directory, mode=0o700)
    descriptor = os.open(os.path.join(directory, key), os.O_RDWR | os.O_CREAT, 0o600)
    return open(descriptor, "r+", encoding="utf-8")


def _lock(file: IO[str], timeout: float, title: str) -> None:
    deadline = real.monotonic() + timeout
    while True:
        try:
            return fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if real.monotonic() > deadline:
                raise TimeoutError(
                    f"another worker has been building {title} for {timeout:.0f} s"
                ) from None
        time.sleep(_POLL)
