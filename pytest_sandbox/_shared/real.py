"""The machine's time and files, in tests that replace those of Python.

freezegun replaces the functions of `time` wherever a module has one as an attribute, and
time-machine changes `time.time` itself. pyfakefs replaces `os`, `open` and others in all modules.
A test that does so means its own code: the deadlines and the files of this package stay real.
Functions are kept here in objects, where none of these libraries searches, from when the plugin is
loaded.
"""

import contextlib
import os as _os
import sys
import time as _time
from types import SimpleNamespace

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os as os
    from collections.abc import Iterator
    from typing import Any
else:
    #: The functions and constants of `os` for files of the machine.
    os = SimpleNamespace(**vars(_os))

#: Clocks of clock_gettime(2) that advance with the timer of the kernel, every few milliseconds.
#: They are not among those that time-machine moves.
_REALTIME_COARSE = 5
_MONOTONIC_COARSE = 6


class _Kept:
    """Functions in a class, which freezegun does not search."""

    clock_gettime = staticmethod(_time.clock_gettime)


def monotonic() -> float:
    """Seconds on the monotonic clock of the machine."""
    return _Kept.clock_gettime(_time.CLOCK_MONOTONIC)


def now() -> float:
    """Seconds since the Unix epoch, as exactly as `time.time` has them."""
    tick = _Kept.clock_gettime(_MONOTONIC_COARSE)
    while True:
        start, epoch = tick, _Kept.clock_gettime(_REALTIME_COARSE)
        tick = _Kept.clock_gettime(_MONOTONIC_COARSE)
        if tick == start:  # both coarse clocks were read between two ticks
            return monotonic() + (epoch - tick)


def read_file(path: "str | os.PathLike[str]") -> bytes:
    """The contents of a file of the machine.

    Raises:
        OSError: it cannot be read.
    """
    descriptor = os.open(os.fspath(path), os.O_RDONLY | os.O_CLOEXEC)
    try:
        parts = []
        while part := os.read(descriptor, 65536):
            parts.append(part)
        return b"".join(parts)
    finally:
        os.close(descriptor)


def files_are_replaced() -> bool:
    """Whether file functions of this process lead elsewhere than to files of the machine."""
    return _os.open is not os.open


@contextlib.contextmanager
def real_files() -> "Iterator[None]":
    """Pause a fake file system of pyfakefs, for all threads.

    For what is seldom done and uses more of the standard library than `os`.
    """
    patcher = _patcher()
    if patcher is None:
        yield
        return
    patcher.pause()
    try:
        yield
    finally:
        patcher.resume()


def _patcher() -> "Any":
    """What pyfakefs replaces file functions with now, if it does."""
    module = sys.modules.get("pyfakefs.fake_filesystem_unittest")
    patcher = None if module is None else module.Patcher.PATCHER
    return patcher if patcher is not None and patcher.is_patching else None
