"""Open files, watches, and outcomes of file operations of one sandbox."""

import errno
from collections.abc import AsyncIterator

from pytest_sandbox.engine import Clock, OpenFile, WatchEvent

from ..model.lifetimes import Lifetime
from ..model.retention import Retention
from ..rpc.errors import not_found
from .handle import ByteRange, FileHandle, OpenMode
from .watch import FileWatch

#: The most files that clients may have open in one sandbox.
MAX_OPEN = 1024
#: The most outcomes of one sandbox that are stored, and the most bytes of them. A watch that still
#: runs does not count, because evicting it would end it.
MAX_OUTCOMES = 4096
MAX_OUTCOME_BYTES = 64 * 1024 * 1024

#: The outcome of an operation: an error, bytes, a part of a file, a watch, or nothing.
Outcome = OSError | bytes | ByteRange | FileWatch | None


class FileSessions:
    """The file sessions of one sandbox.

    Args:
        clock: the engine's.
        lifetime: of the sandbox, which is not idle while it is watched.
    """

    def __init__(self, clock: Clock, lifetime: Lifetime) -> None:
        self._clock = clock
        self._lifetime = lifetime
        self._handles: dict[str, FileHandle] = {}
        self._outcomes: dict[str, Outcome] = {}
        #: Running watches, with the id of the operation that began each.
        self._watches: dict[FileWatch, str] = {}
        self._finished = Retention[str](MAX_OUTCOMES, MAX_OUTCOME_BYTES)

    @property
    def watches(self) -> int:
        """How many watches are running."""
        return len(self._watches)

    @property
    def outcome_bytes(self) -> int:
        """Bytes of outcomes that are stored."""
        return self._finished.size

    def check_room(self) -> None:
        """Refuse one more open file if there are too many.

        Raises:
            OSError: `EMFILE`.
        """
        if len(self._handles) >= MAX_OPEN:
            raise OSError(errno.EMFILE, f"{MAX_OPEN} files of this sandbox are open: close some")

    def add_handle(self, descriptor: str, file: OpenFile, mode: OpenMode) -> None:
        """Register a file that was opened, under a descriptor."""
        self._handles[descriptor] = FileHandle(file, mode)

    def handle(self, descriptor: str) -> FileHandle:
        """An open file.

        Raises:
            OSError: `EBADF`, there is none.
        """
        handle = self._handles.get(descriptor)
        if handle is None:
            raise OSError(errno.EBADF, f"the file descriptor {descriptor!r} is not open")
        return handle

    def remove_handle(self, descriptor: str) -> FileHandle:
        """Remove an open file, to close it.

        Raises:
            OSError: `EBADF`, there is none.
        """
        handle = self.handle(descriptor)
        del self._handles[descriptor]
        return handle

    def watch(self, events: AsyncIterator[WatchEvent], timeout: float | None) -> FileWatch:
        """Begin to watch files.

        Args:
            events: of the engine.
            timeout: seconds until the watch ends; `None` for never.
        """

        def ended() -> None:
            exec_id = self._watches.pop(watch)
            self._lifetime.end_activity()
            if exec_id:
                self._finish(exec_id, 0)

        watch = FileWatch(events, self._clock, timeout, ended)
        self._watches[watch] = ""
        self._lifetime.begin_activity()
        return watch

    def add_outcome(self, exec_id: str, outcome: Outcome) -> None:
        """Store the outcome of an operation; the oldest finished ones may be evicted."""
        self._outcomes[exec_id] = outcome
        if isinstance(outcome, FileWatch) and outcome in self._watches:
            self._watches[outcome] = exec_id
        else:
            self._finish(exec_id, len(outcome) if isinstance(outcome, bytes) else 0)

    def outcome(self, exec_id: str) -> Outcome:
        """The outcome of an operation.

        Raises:
            GRPCError: NOT_FOUND: there is no such operation, or its outcome was evicted.
        """
        try:
            return self._outcomes[exec_id]
        except KeyError:
            raise not_found("Exec", exec_id) from None

    def task_ended(self) -> None:
        """Close all files and end all watches: their task has ended."""
        self._handles.clear()
        for watch in self._watches:
            watch.cancel()

    def _finish(self, exec_id: str, size: int) -> None:
        for evicted in self._finished.add(exec_id, size):
            self._evict(evicted)

    def _evict(self, exec_id: str) -> None:
        del self._outcomes[exec_id]
