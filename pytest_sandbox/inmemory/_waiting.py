"""Whether a test waits, or works."""

import sys
import threading

#: Modules in whose functions a thread waits: for a lock, for input, or for a process.
_WAITING = {
    "asyncio.runners",  # of a loop that is no Python, such as that of uvloop
    "concurrent.futures._base",
    "selectors",
    "subprocess",
    "threading",
    "trio._core._io_epoll",
}


def main_thread_waits() -> bool:
    """Whether the main thread, which runs tests, waits for another thread or for input.

    A real wait and one for virtual time look the same: a test that waits for something real, such
    as another server, while a call is under way, sees time pass in its sandboxes.
    """
    main = threading.main_thread().ident
    frame = sys._current_frames().get(main or 0)  # noqa: SLF001  # documented
    return frame is not None and frame.f_globals.get("__name__") in _WAITING
