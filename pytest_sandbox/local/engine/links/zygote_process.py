"""The zygote as a process: started, and waited for until nothing of it is left.

It is a bare Python, see `bare_python`.
"""

from __future__ import annotations

import os
import select
import subprocess
import tempfile
import time
from typing import IO, TYPE_CHECKING

from ...kernel.cgroups import leftovers
from .bare_python import launch

if TYPE_CHECKING:
    import socket

#: Seconds for what the kernel is left to clean up by itself.
_EXIT_TIMEOUT = 5.0


class ZygoteProcess:
    """A running zygote.

    Args:
        sock: its end of the socket to the engine.

    Raises:
        OSError: it cannot be started.
    """

    def __init__(self, sock: socket.socket) -> None:
        # A file, not a pipe: nothing reads it until the zygote is gone, and a full pipe would stop
        # it.
        self._errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed when it is gone
        try:
            self._process = launch("zygote.zygote", sock, self._errors.fileno())
        except OSError:
            self._errors.close()
            raise

    @property
    def pid(self) -> int:
        """Its pid."""
        return self._process.pid

    def wait_until_gone(self, pids: list[int], groups: list[str]) -> str:
        """Return when it and its sandboxes are gone, but not for ever; blocks.

        Args:
            pids: of its sandboxes. The kernel kills them when the zygote dies, which may take a
                moment.
            groups: its cgroups, which are removed.

        Returns:
            How it ended, for people.
        """
        try:
            self._process.wait(_EXIT_TIMEOUT)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        deadline = time.monotonic() + _EXIT_TIMEOUT
        for pid in pids:
            _wait_for_exit(pid, deadline)
        for path in groups:
            while not leftovers.remove(path) and time.monotonic() < deadline:
                time.sleep(0.01)
        return self._last_words()

    def _last_words(self) -> str:
        with self._errors:
            self._errors.seek(0)
            words = self._errors.read().decode(errors="replace").strip()
        return words or f"it ended with status {self._process.returncode}"


def _wait_for_exit(pid: int, deadline: float) -> None:
    # Not our child, so there is no wait(2) for it; a pidfd becomes readable: pidfd_open(2).
    try:
        fd = os.pidfd_open(pid)
    except OSError:
        return  # gone, and collected by the process that inherited it
    try:
        poll = select.poll()
        poll.register(fd, select.POLLIN)
        poll.poll(max(0.0, deadline - time.monotonic()) * 1000)
    finally:
        os.close(fd)
