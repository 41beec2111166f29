"""The zygote as a process: started, and waited for until nothing of it is left.

It is a bare Python, see `bare_python`.
"""

from __future__ import annotations

import contextlib
import os
import resource
import select
import socket
import subprocess
import tempfile
import time
from typing import IO

from ...kernel.cgroups import leftovers
from .bare_python import launch

#: Seconds for what the kernel is left to clean up by itself.
_EXIT_TIMEOUT = 5.0


class ZygoteProcess:
    """A running zygote.

    Attributes:
        socket: the engine's end of the socket to it.

    Raises:
        OSError: it cannot be started.
    """

    def __init__(self) -> None:
        _raise_descriptor_limit()
        self.socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs, contextlib.ExitStack() as on_error:
            on_error.callback(self.socket.close)
            # A file, not a pipe: nothing reads it until the zygote is gone, and a full pipe would
            # stop it.
            self._errors: IO[bytes] = on_error.enter_context(tempfile.TemporaryFile())
            self._process = launch("local.zygote.zygote", theirs, self._errors.fileno())
            on_error.pop_all()

    @property
    def pid(self) -> int:
        """Its pid."""
        return self._process.pid

    def give_up(self) -> None:
        """End it, which has made nothing yet; the engine cannot talk to it."""
        self.socket.close()
        self._process.kill()
        self._process.wait()
        self._errors.close()

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


#: The one that was started before the engine was imported, until the engine takes it.
_ahead: list[ZygoteProcess] = []


def start_ahead() -> None:
    """Start a zygote before the engine is imported, which takes about as long as its start."""
    with contextlib.suppress(OSError):  # the engine tries again, and says what is wrong
        _ahead.append(ZygoteProcess())


def started() -> ZygoteProcess:
    """The zygote that was started ahead, or a new one.

    Raises:
        OSError: it cannot be started.
    """
    return _ahead.pop() if _ahead else ZygoteProcess()


def _raise_descriptor_limit() -> None:
    """Use as many descriptors as we may, the zygote too: a busy sandbox takes half a dozen.

    The usual soft limit, 1024, is there for programs that use `select(2)`; we do not.
    """
    # To raise the soft limit up to the hard one takes no privilege: getrlimit(2).
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


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
