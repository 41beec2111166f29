"""Closing descriptors that came out of a sandbox, which may take as long as the sandbox wants.

close(2) of a TCP socket with SO_LINGER waits for the peer, socket(7), also if that socket is among
what a Unix socket holds unread. On the event loop that would stop all sandboxes, so threads close.
"""

from __future__ import annotations

import contextlib
import os
import queue
import socket
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


def close_unix_socket(sock: socket.socket) -> None:
    """Close a Unix socket to a sandbox; at once, if its unread messages hold no descriptors.

    A thread is not woken for each sandbox that ends: that takes longer than the rest of its end.
    """
    with contextlib.suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)  # from here on, nothing arrives
    fd = sock.detach()
    if _holds_nothing(fd):
        os.close(fd)
    else:
        close([fd])


def _holds_nothing(fd: int) -> bool:
    """Whether a Unix socket holds no descriptors: proc_pid_fdinfo(5), `scm_fds`, Linux 5.12."""
    try:
        info = os.open(f"/proc/self/fdinfo/{fd}", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return b"\nscm_fds: 0\n" in os.read(info, 4096)
    finally:
        os.close(info)
