"""What is at paths that a hostile program may have made links, asked in one system call for each.

openat2(2) follows no link anywhere in a path if asked to; with openat(2), each name of it would
have to be opened by itself.
"""

from __future__ import annotations

import ctypes
import errno
import os
import stat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .calls import PreparedCalls

_AT_FDCWD = -100
_AT_SYMLINK_NOFOLLOW = 0x100
# include/uapi/linux/openat2.h
_RESOLVE_NO_SYMLINKS = 0x04
# include/uapi/linux/stat.h: `struct statx`, in words of 16 bits, of which one is the mode.
_STATX_TYPE = 0x1
_STATX_WORDS, _STX_MODE_AT = 128, 14

#: Bytes of files that are looked at.
_CONTENT_SIZE = 4096

_OpenHow = ctypes.c_uint64 * 3  # `struct open_how`: flags, mode, resolve
_FOLDER = _OpenHow(os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC, 0, _RESOLVE_NO_SYMLINKS)


def add_folder(path: str, calls: PreparedCalls) -> None:
    """Have `calls` fail unless `path` is a directory, and no part of it a link.

    A descriptor of it stays open.
    """
    how = ctypes.byref(_FOLDER), ctypes.sizeof(_FOLDER)
    calls.add_number("openat2", _AT_FDCWD, path, *how, about=path)


class Modes:
    """What is at paths.

    Args:
        paths: where; folders on the way may be links.
        calls: have to be made before anything is asked; they fail if something is missing.
        follow: whether to follow a link at the end of a path too.
    """

    def __init__(self, paths: list[str], calls: PreparedCalls, *, follow: bool = False) -> None:
        flags = 0 if follow else _AT_SYMLINK_NOFOLLOW
        self._found = (ctypes.c_uint16 * (_STATX_WORDS * len(paths)))()
        self._places = range(_STX_MODE_AT, len(self._found), _STATX_WORDS)
        for path, at in zip(paths, self._places, strict=True):
            place = ctypes.byref(self._found, (at - _STX_MODE_AT) * 2)
            args = _AT_FDCWD, path, flags, _STATX_TYPE, place
            calls.add_number("statx", *args, about=path)

    def are_files(self) -> bool:
        """Whether all are regular files."""
        return all(stat.S_ISREG(self._found[at]) for at in self._places)

    def are_folders(self) -> bool:
        """Whether all are directories."""
        return all(stat.S_ISDIR(self._found[at]) for at in self._places)


class FileText:
    """The beginning of a file; nothing, if it is something else.

    Args:
        path: of the file.
        calls: have to be made before `text` is read; they fail if there is none.
    """

    def __init__(self, path: str, calls: PreparedCalls) -> None:
        self._found = ctypes.create_string_buffer(_CONTENT_SIZE)
        # O_NONBLOCK: else opening a pipe would wait for a writer.
        flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
        fd = calls.add_opening("open", path, flags, about=path)
        size = _CONTENT_SIZE - 1
        calls.add("read", fd, self._found, size, about=path, allowed=(errno.EISDIR,))
        calls.add("close", fd)

    @property
    def text(self) -> bytes:
        """It, up to a byte of 0."""
        return self._found.value
