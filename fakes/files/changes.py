"""Changes of the filesystem, and the watches that report them."""

from collections import deque
from collections.abc import Callable
from enum import Enum

from pytest_sandbox._shared.lazy_dataclass import dataclass


class ChangeKind(Enum):
    """The events of inotify(7) that a filesystem can cause."""

    ACCESS = "access"
    ATTRIB = "attrib"
    CLOSE_NOWRITE = "close_nowrite"
    CLOSE_WRITE = "close_write"
    CREATE = "create"
    DELETE = "delete"
    MODIFY = "modify"
    MOVE = "move"
    OPEN = "open"


@dataclass(frozen=True)
class Change:
    """One event, with the path it is seen under.

    Attributes:
        kind: what happened.
        path: absolute, or `None` if a rename brought it from outside the watched part.
        target: the new path of a rename, or `None` if it left the watched part.
        directory: whether it happened to a directory.
    """

    kind: ChangeKind
    path: str | None
    target: str | None = None
    directory: bool = False


#: A name in a directory: the directory's number, and the name.
Spot = tuple[int, str]


@dataclass(frozen=True, eq=False)
class Watch:
    """What is to be reported of one disk.

    Attributes:
        number: the inode that is watched.
        path: the path that events are reported under.
        recursive: whether directories below count too.
        add: takes an event.
    """

    number: int
    path: str
    recursive: bool
    add: Callable[[Change], None]


class Watches:
    """The watches of one disk.

    Args:
        spot_of: the directory that a directory lies in and its name there; `None` for the root
            and for what was removed.
    """

    def __init__(self, spot_of: Callable[[int], Spot | None]) -> None:
        self._spot_of = spot_of
        self._watches: list[Watch] = []

    def add(self, watch: Watch) -> None:
        """Start reporting."""
        self._watches.append(watch)

    def remove(self, watch: Watch) -> None:
        """Stop reporting."""
        self._watches.remove(watch)

    def emit(
        self, kind: ChangeKind, number: int | None, spot: Spot | None, *, directory: bool = False
    ) -> None:
        """Something happened to the inode `number`, or only to the name `spot`."""
        for watch in self._watches:
            path = self._path(watch, number, spot)
            if path is not None:
                watch.add(Change(kind, path, directory=directory))

    def moved(self, number: int, old: Spot, new: Spot, *, directory: bool) -> None:
        """A name became another."""
        for watch in self._watches:
            source, target = self._path(watch, None, old), self._path(watch, None, new)
            if source is not None or target is not None:
                watch.add(Change(ChangeKind.MOVE, source, target, directory))

    def _path(self, watch: Watch, number: int | None, spot: Spot | None) -> str | None:
        if number == watch.number:
            return watch.path
        names: list[str] = []
        while spot is not None:
            directory, name = spot
            names.append(name)
            if directory == watch.number:
                return "/".join([watch.path.rstrip("/"), *reversed(names)])
            if not watch.recursive:
                return None
            spot = self._spot_of(directory)
        return None


class Watching:
    """A queue of changes to one file, one directory, or a whole tree of however many disks.

    Args:
        recursive: whether directories below count too.
        wake: called after a change was added.
    """

    def __init__(self, *, recursive: bool, wake: Callable[[], None]) -> None:
        self.queue: deque[Change] = deque()
        self._recursive = recursive
        self._wake = wake
        self._watches: list[tuple[Watches, Watch]] = []

    def begin(self, watches: Watches, number: int, path: str) -> None:
        """Hear of an inode of one disk, and with it of what is below, as `path`."""
        watch = Watch(number, path.rstrip("/") or "/", self._recursive, self._add)
        watches.add(watch)
        self._watches.append((watches, watch))

    def close(self) -> None:
        """Hear of nothing more; a second call does nothing."""
        while self._watches:
            watches, watch = self._watches.pop()
            watches.remove(watch)

    def _add(self, change: Change) -> None:
        self.queue.append(change)
        self._wake()
