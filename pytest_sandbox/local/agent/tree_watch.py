"""Watching a directory tree, those directories included that are made while it is watched.

inotify(7) watches single directories and tells inodes, not paths. What it takes to make of that
what users expect: a watch for each directory, its path kept up to date over renames, and the two
halves of a rename brought together.
"""

from __future__ import annotations

import errno
import os
import select

from pytest_sandbox._shared.directories import walk_directories

from ..kernel import inotify

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from collections.abc import Callable
    from typing import Literal, TypeAlias

    from ..kernel.inotify import Event

    Kind: TypeAlias = Literal[
        "Access", "Create", "Modify", "Remove", "Rename", "RenameFrom", "RenameTo", "Unknown"
    ]
    #: Takes a change: what happened, and to which paths.
    Tell: TypeAlias = Callable[[Kind, list[str]], None]

_WANTED = (
    *(inotify.ACCESS, inotify.MODIFY, inotify.ATTRIB, inotify.MOVED_FROM, inotify.MOVED_TO),
    *(inotify.CREATE, inotify.DELETE, inotify.DELETE_SELF),
)
#: Errors of a directory that is gone already, or that is a link or closed to us now.
_GONE = frozenset({errno.ENOENT, errno.ENOTDIR, errno.EACCES, errno.ELOOP})
# Usually they follow each other at once, but other events may come between, and there is no
# guarantee: inotify(7), "Dealing with rename() events".
#: Milliseconds that the second half of a rename may take to follow the first.
_RENAME_TIMEOUT = 20
_KINDS: tuple[tuple[int, Kind], ...] = (
    (inotify.ACCESS, "Access"),
    (inotify.MODIFY | inotify.ATTRIB, "Modify"),
    (inotify.CREATE, "Create"),
    (inotify.DELETE | inotify.DELETE_SELF, "Remove"),
)


class TreeWatch:
    """Watches from when it is made; `report` tells.

    Args:
        path: a file, or a directory and what is directly in it.
        recursive: watch all directories below as well, those made later included.
    """

    def __init__(self, path: str, *, recursive: bool) -> None:
        self._root = path
        self._recursive = recursive
        self._queue = inotify.open_queue(path)
        self._paths: dict[int, str] = {}
        self._moved: tuple[int, str, bool] | None = None  # cookie, path, whether a directory
        self._reported: set[str] = set()  # found, and reported, as their directory was entered
        try:
            self._add(path)
            if recursive and os.path.isdir(path):
                self._add_below(path)
        except OSError:
            os.close(self._queue)
            raise

    def close(self) -> None:
        """Stop watching, in this process."""
        os.close(self._queue)

    def report(self, sock: socket.socket, tell: Tell) -> None:
        """Tell of each change, until the socket is closed at the other end."""
        self._send = tell
        poll = select.poll()
        poll.register(self._queue, select.POLLIN)
        poll.register(sock, select.POLLIN)
        while True:
            ready = dict(poll.poll(_RENAME_TIMEOUT if self._moved else None))
            if sock.fileno() in ready:
                return
            if self._queue in ready:
                for event in inotify.read_events(self._queue):
                    self._on_event(event)
            else:
                self._flush_move()

    def _on_event(self, event: Event) -> None:
        mask = event.mask
        # Which events were lost cannot be known: inotify(7), "Limitations and caveats".
        if mask & inotify.OVERFLOW:
            self._tell("Unknown", self._root)
            return
        if mask & inotify.IGNORED:
            self._paths.pop(event.watch, None)
            return
        folder = self._paths.get(event.watch)
        if folder is None:
            return
        path = os.path.join(folder, event.name) if event.name else folder
        if mask & inotify.MOVED_TO:
            self._on_moved_to(event.cookie, path, bool(mask & inotify.IS_DIRECTORY))
            return
        self._flush_move()
        if mask & inotify.MOVED_FROM:
            self._moved = (event.cookie, path, bool(mask & inotify.IS_DIRECTORY))
            return
        if mask & inotify.DELETE_SELF and folder != self._root:
            return  # the watch of the directory above reports it
        self._on_change(mask, path)

    def _on_change(self, mask: int, path: str) -> None:
        if mask & inotify.CREATE and path in self._reported:
            self._reported.discard(path)
            return
        if mask & inotify.DELETE:
            self._reported.discard(path)
        for bits, kind in _KINDS:
            if mask & inotify.ACCESS and mask & inotify.IS_DIRECTORY:
                continue  # a directory was listed, perhaps by us
            if mask & bits:
                self._tell(kind, path)
        if mask & inotify.CREATE and mask & inotify.IS_DIRECTORY:
            self._enter(path)

    def _on_moved_to(self, cookie: int, path: str, is_directory: bool) -> None:
        moved, self._moved = self._moved, None
        if moved is not None and moved[0] == cookie:
            self._tell("Rename", moved[1], path)
            if is_directory:
                self._rename(moved[1], path)
                self._enter_missed(path)
            return
        if moved is not None:
            self._tell("RenameFrom", moved[1])
        self._tell("RenameTo", path)
        if is_directory:
            self._enter(path)

    def _flush_move(self) -> None:
        """The second half of a rename did not come: it went where nothing is watched."""
        if self._moved is not None:
            self._tell("RenameFrom", self._moved[1])
            self._moved = None

    def _rename(self, old: str, new: str) -> None:
        for number, path in self._paths.items():
            if path == old or path.startswith(old + "/"):
                self._paths[number] = new + path[len(old) :]

    def _enter_missed(self, path: str) -> None:
        """Watch what was not found below a directory because it was renamed meanwhile."""
        for folder, _, _ in walk_directories(path) if self._recursive else ():
            if folder not in self._paths.values():
                self._enter(folder)

    def _enter(self, path: str) -> None:
        """Watch a directory that is new, and report what was put into it before that."""
        pending = [path] if self._recursive else []
        while pending:
            below = []
            for found, is_directory in self._watch_and_list(pending.pop()):
                self._reported.add(found)
                self._tell("Create", found)
                if is_directory:
                    below.append(found)
            pending += reversed(below)

    def _watch_and_list(self, path: str) -> list[tuple[str, bool]]:
        try:
            self._add(path)
            # After the watch, so that what is made between the two shows twice, which `_reported`
            # mends, rather than never: inotify(7), "Limitations and caveats".
            with os.scandir(path) as entries:
                return [(entry.path, entry.is_dir(follow_symlinks=False)) for entry in entries]
        except OSError as error:
            if error.errno not in _GONE:
                raise
            return []  # the watch of the directory above reports it

    def _add_below(self, path: str) -> None:
        for folder, names, _ in walk_directories(path):
            for name in names:
                below = os.path.join(folder, name)
                try:
                    self._add(below, inotify.ONLY_DIRECTORIES | inotify.DO_NOT_FOLLOW)
                except OSError as error:
                    if error.errno not in _GONE:
                        raise

    def _add(self, path: str, flags: int = 0) -> None:
        self._paths[inotify.add_watch(self._queue, path, sum(_WANTED) | flags)] = path

    def _tell(self, kind: Kind, *paths: str) -> None:
        self._send(kind, list(paths))
