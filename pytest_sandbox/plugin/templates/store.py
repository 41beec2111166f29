"""What became of the templates of a run, shared by all workers of pytest-xdist.

    RUN DIRECTORY/templates/KEY     locked by flock(2) by whoever builds it; then holds the outcome

A worker that dies while it builds lets go of the lock and has written nothing, so that the next
one builds.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import time
from dataclasses import asdict, dataclass
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

#: Seconds between two looks at a lock that another worker holds.
_POLL = 0.01


@dataclass(frozen=True)
class Outcome:
    """What became of building an image.

    Attributes:
        image: its id, or that of the snapshot with its processes; empty if there is none.
        memory: whether it is a snapshot with processes.
        seconds: how long it took.
        worker: who did it; empty without pytest-xdist.
        recalled: whether an earlier run had built it.
        unkept: why a later run will have to build it again, though it was to be kept.
        error: why there is none.
        skipped: why it was not meant to be built.
    """

    image: str = ""
    memory: bool = False
    seconds: float = 0.0
    worker: str = ""
    recalled: bool = False
    unkept: str = ""
    error: str = ""
    skipped: str = ""


class Slot:
    """The place of one outcome, held by this process."""

    def __init__(self, file: IO[str]) -> None:
        self._file = file

    @property
    def outcome(self) -> Outcome | None:
        """What was put there."""
        self._file.seek(0)
        try:
            return Outcome(**json.loads(self._file.read()))
        except ValueError:  # empty; or its writer died in the middle
            return None

    def put(self, outcome: Outcome) -> None:
        """Let all others have it."""
        self._file.truncate(0)
        self._file.seek(0)
        self._file.write(json.dumps(asdict(outcome)))
        self._file.flush()

    def clear(self) -> None:
        """Have it built again."""
        self._file.truncate(0)


@contextlib.contextmanager
def held(folder: Path, key: str, patience: float, title: str = "it") -> Iterator[Slot]:
    """The place of an outcome, once no other worker holds it.

    Args:
        folder: where they are; made if need be.
        key: which one.
        patience: seconds to wait for another worker.
        title: what the other worker is at.

    Raises:
        TimeoutError: that was not enough.
    """
    folder.mkdir(mode=0o700, exist_ok=True)
    descriptor = os.open(folder / key, os.O_RDWR | os.O_CREAT, 0o600)
    with open(descriptor, "r+", encoding="utf-8") as file:
        _lock(file, patience, title)
        try:
            yield Slot(file)
        finally:
            # Closing would not do, should a fork of this process hold the descriptor too.
            fcntl.flock(file, fcntl.LOCK_UN)


def _lock(file: IO[str], patience: float, title: str) -> None:
    deadline = time.monotonic() + patience
    while True:
        try:
            return fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise TimeoutError(
                    f"another worker has been at {title} for {patience:.0f} s"
                ) from None
        time.sleep(_POLL)
