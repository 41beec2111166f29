"""Watching files and directories with inotify(7)."""

from __future__ import annotations

import ctypes
import errno
import os
import select
import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from collections.abc import Callable
    from typing import Literal, TypeAlias

    Kind: TypeAlias = Literal[
        "Access", "Create", "Modify", "Remove", "Rename", "RenameFrom", "RenameTo", "Unknown"
    ]
    #: Takes a change: what happened, and to which paths.
    Tell: TypeAlias = Callable[[Kind, list[str]], None]

_ACCESS, _MODIFY, _ATTRIB = 0x1, 0x2, 0x4
_MOVED_FROM, _MOVED_TO = 0x40, 0x80
_CREATE, _DELETE, _DELETE_SELF = 0x100, 0x200, 0x400
_OVERFLOW, _IGNORED, _ISDIR = 0x4000, 0x8000, 0x40000000
_WANTED = _ACCESS | _MODIFY | _ATTRIB | _MOVED_FROM | _MOVED_TO | _CREATE | _DELETE | _DELETE_SELF
_ONLY_DIRECTORIES, _DO_NOT_FOLLOW = 0x01000000, 0x02000000
_EVENT = struct.Struct("iIII")
#: Milliseconds that the second half of a rename may take to follow the first.
_PATIENCE = 20
_KINDS: tuple[tuple[int, Kind], ...] = (
    (_ACCESS, "Access"),
    (_MODIFY | _ATTRIB, "Modify"),
    (_CREATE, "Create"),
    (_DELETE | _DELETE_SELF, "Remove"),
)

_libc = ctypes.CDLL(None, use_errno=True)


class Watch:
    """Watches from when it is made; `report` tells.

    Args:
        path: a file, or a directory and what is directly in it.
        recursive: watch all directories below as well, those made later included.
    """

    def __init__(self, path: str, *, recursive: bool) -> None:
        self._root = path
        self._recursive = recursive
        self._fd = _checked(_libc.inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK), path)
        self._paths: dict[int, str] = {}
        self._moved: tuple[int, str, bool] | None = None  # cookie, path, whether a directory
        self._found: set[str] = set()  # told already, when their directory was first looked into
        try:
            self._add(path)
            if recursive and os.path.isdir(path):
                self._add_below(path)
        except OSError:
            os.close(self._fd)
            raise

    def close(self) -> None:
        """Stop watching, in this process."""
        os.close(self._fd)

    def report(self, sock: socket.socket, tell: Tell) -> None:
        """Tell of each change, until the socket is closed at the other end."""
        self._send = tell
        poll = select.poll()
        poll.register(self._fd, select.POLLIN)
        poll.register(sock, select.POLLIN)
        while True:
            ready = dict(poll.poll(_PATIENCE if self._moved else None))
            if sock.fileno() in ready:
                return
            if self._fd in ready:
                self._read()
            else:
                self._flush_move()

    def _read(self) -> None:
        data = os.read(self._fd, 65536)
        offset = 0
        while offset < len(data):
            number, mask, cookie, length = _EVENT.unpack_from(data, offset)
            offset += _EVENT.size
            name = os.fsdecode(data[offset : offset + length].rstrip(b"\0"))
            offset += length
            self._on_event(number, mask, cookie, name)

    def _on_event(self, number: int, mask: int, cookie: int, name: str) -> None:
        if mask & _OVERFLOW:
            self._tell("Unknown", self._root)
            return
        if mask & _IGNORED:
            self._paths.pop(number, None)
            return
        folder = self._paths.get(number)
        if folder is None:
            return
        path = os.path.join(folder, name) if name else folder
        if mask & _MOVED_TO:
            self._on_moved_to(cookie, path, bool(mask & _ISDIR))
            return
        self._flush_move()
        if mask & _MOVED_FROM:
            self._moved = (cookie, path, bool(mask & _ISDIR))
            return
        if mask & _DELETE_SELF and folder != self._root:
            return  # the directory above tells
        self._on_change(mask, path)

    def _on_change(self, mask: int, path: str) -> None:
        if mask & _CREATE and path in self._found:
            self._found.discard(path)
            return
        if mask & _DELETE:
            self._found.discard(path)
        for bits, kind in _KINDS:
            if mask & _ACCESS and mask & _ISDIR:
                continue  # somebody listed a directory, perhaps we
            if mask & bits:
                self._tell(kind, path)
        if mask & _CREATE and mask & _ISDIR:
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
        """Its second half did not come: it was moved out of sight."""
        if self._moved is not None:
            self._tell("RenameFrom", self._moved[1])
            self._moved = None

    def _rename(self, old: str, new: str) -> None:
        for number, path in self._paths.items():
            if path == old or path.startswith(old + "/"):
                self._paths[number] = new + path[len(old) :]

    def _enter_missed(self, path: str) -> None:
        """Watch what could not be found below a directory, because it had this new name already."""
        for folder, _, _ in os.walk(path) if self._recursive else ():
            if folder not in self._paths.values():
                self._enter(folder)

    def _enter(self, path: str) -> None:
        """A directory has come up: watch it, and tell what was put into it before that."""
        if not self._recursive:
            return
        try:
            self._add(path)
            with os.scandir(path) as entries:
                found = [(entry.path, entry.is_dir(follow_symlinks=False)) for entry in entries]
        except OSError:
            return  # gone already, which the directory above tells
        for below, is_directory in found:
            self._found.add(below)
            self._tell("Create", below)
            if is_directory:
                self._enter(below)

    def _add_below(self, path: str) -> None:
        for folder, names, _ in os.walk(path):
            for name in names:
                below = os.path.join(folder, name)
                try:
                    self._add(below, _ONLY_DIRECTORIES | _DO_NOT_FOLLOW)
                except OSError as error:
                    if error.errno not in (errno.ENOENT, errno.ENOTDIR, errno.EACCES):
                        raise  # those are gone, or links

    def _add(self, path: str, flags: int = 0) -> None:
        result = _libc.inotify_add_watch(self._fd, os.fsencode(path), _WANTED | flags)
        self._paths[_checked(result, path)] = path

    def _tell(self, kind: Kind, *paths: str) -> None:
        self._send(kind, list(paths))


def _checked(result: int, path: str) -> int:
    if result >= 0:
        return result
    number = ctypes.get_errno()
    if number == errno.ENOSPC:
        raise OSError(number, "no inotify watches left: fs.inotify.max_user_watches", path)
    if number == errno.EMFILE:
        raise OSError(number, "no inotify instances left: fs.inotify.max_user_instances", path)
    raise OSError(number, os.strerror(number), path)
