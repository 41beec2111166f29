"""Whether a device was opened, by whichever process: inotify(7) on its node.

A node that sandboxes have mounted is the same file. So a program in a sandbox counts, and so does
one that has ended.
"""

import ctypes
import os
from collections.abc import Iterable

#: include/uapi/linux/inotify.h
_IN_OPEN = 0x20
_EVENTS = 65536


class OpenWatch:
    """Watches nodes from now on.

    Args:
        paths: of the nodes.
    """

    def __init__(self, paths: Iterable[str]) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        self._fd = libc.inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK)
        added = [libc.inotify_add_watch(self._fd, os.fsencode(path), _IN_OPEN) for path in paths]
        self._watches = self._fd >= 0 and all(number >= 0 for number in added)

    def was_opened(self) -> bool | None:
        """Whether one was opened; `None` if it cannot be watched, or is not known."""
        if not self._watches:
            return None
        try:
            return bool(os.read(self._fd, _EVENTS))
        except BlockingIOError:
            return False

    def close(self) -> None:
        """Watch no longer."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
            self._watches = False
