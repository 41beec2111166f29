"""What is at paths that a hostile program may have made links, asked in one system call for each.

openat2(2) follows no link anywhere in a path if asked to; with openat(2), each name of it would
have to be opened by itself.
"""

from __future__ import annotations

import ctypes
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

_OpenHow = ctypes.c_uint64 * 3  # `struct open_how`: flags, mode, resolve
_FOLDER = _OpenHow(os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC, 0, _RESOLVE_NO_SYMLINKS)


def add_folder(path: str, calls: PreparedCalls) -> None:
    """Have `calls` fail unless `path` is a directory, and no part of it a link.

    A descriptor of it stays open.
    """
    how = ctypes.byref(_FOLDER), ctypes.sizeof(_FOLDER)
    calls.add_number("openat2", _AT_FDCWD, path, *how, about=path)


class Modes:
    """Modes of files whose folders are known to be no links.

    Args:
        paths: of the files.
        calls: have to be made before `are_files` is called; they fail if a file is missing.
    """

    def __init__(self, paths: list[str], calls: PreparedCalls) -> None:
        self._found = (ctypes.c_uint16 * (_STATX_WORDS * len(paths)))()
        self._places = range(_STX_MODE_AT, len(self._found), _STATX_WORDS)
        for path, at in zip(paths, self._places, strict=True):
            place = ctypes.byref(self._found, (at - _STX_MODE_AT) * 2)
            args = _AT_FDCWD, path, _AT_SYMLINK_NOFOLLOW, _STATX_TYPE, place
            calls.add_number("statx", *args, about=path)

    def are_files(self) -> bool:
        """Whether all are regular files."""
        return all(stat.S_ISREG(self._found[at]) for at in self._places)
