"""Closing descriptors that came out of a sandbox, which may take as long as the sandbox wants.

close(2) of a TCP socket with SO_LINGER waits for the peer, socket(7), also if that socket is among
what a Unix socket holds unread. On the event loop that would stop all sandboxes, so threads close.
"""

from __future__ import annotations

import os
import queue
import threading


class _Closer:
    """Threads that close; as many as are busy at once, since any of them may be stuck."""

    def __init__(self) -> None:
        self._work: queue.SimpleQueue[list[int]] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._idle = 0

    def close(self, fds: list[int]) -> None:
        self._work.put(fds)
        with self._lock:
            if self._idle:
                self._idle -= 1
                return
        # Daemons: at the end of the process, the kernel closes without waiting.
        threading.Thread(target=self._run, name="closes descriptors", daemon=True).start()

    def _run(self) -> None:
        while True:
            for fd in self._work.get():
                os.close(fd)
            with self._lock:
                self._idle += 1


_closer = _Closer()


def close(fds: list[int]) -> None:
    """Have descriptors closed, soon."""
    if fds:
        _closer.close(fds)
