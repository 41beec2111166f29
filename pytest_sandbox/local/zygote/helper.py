"""Processes that the zygote forks to work on the filesystem of one sandbox from outside.

A helper has all rights over its sandbox, and over the machine none but those of the stage. It
answers once and ends; if it dies before, that is an answer too.
"""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import socket

from .. import wire
from ..kernel import idmap, namespaces, prctl
from ..kernel.descriptors import close_all_but
from ..kernel.errors import describe

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

Work: TypeAlias = "Callable[[], list[int]]"


class Helper:
    """One such process.

    Args:
        work: what it does; returns descriptors for the zygote.
        keep: all descriptors that it needs.
    """

    def __init__(self, work: Work, keep: list[int]) -> None:
        self._sock, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            self.pid = os.fork()
            if self.pid == 0:
                try:
                    _run(work, theirs, [theirs.fileno(), *keep])
                finally:
                    os._exit(0)
        except OSError:
            self._sock.close()
            raise
        finally:
            theirs.close()

    def fileno(self) -> int:
        """Readable when it has answered."""
        return self._sock.fileno()

    def answer(self) -> list[int]:
        """What its work returned; waits for it.

        Raises:
            OSError: what the kernel told it, or that it died.
        """
        with self._sock:
            message, fds = wire.receive(self._sock)
        if message is None:
            raise OSError(errno.EIO, "the process that worked on it was killed", "")
        if "error" in message:
            error = message["error"]
            raise OSError(error["errno"], error["text"], error["path"])
        return fds


def _run(work: Work, sock: socket.socket, keep: list[int]) -> None:
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    close_all_but(keep)  # so that no sandbox lives on in what a helper of another inherited
    try:
        wire.send(sock, {"done": True}, tuple(work()))
    except Exception as error:
        cause = error if isinstance(error, OSError) else OSError(errno.EIO, repr(error))
        with contextlib.suppress(OSError):
            wire.send(sock, {"error": describe(cause)})


def enter(mount_namespace: int) -> None:
    """Become root of a sandbox, with a copy of the stage of one's own.

    Args:
        mount_namespace: the sandbox's mount namespace.
    """
    namespace = namespaces.owner_of(mount_namespace)
    if os.path.samestat(os.fstat(namespace), os.stat("/proc/self/ns/user")):
        _settle()
    else:
        enter_users(namespace)
    os.close(namespace)


def enter_users(namespace: int) -> None:
    """Become root of a user namespace, with a copy of the stage of one's own."""
    namespaces.enter(namespace, namespaces.CLONE_NEWUSER)
    idmap.become_root()
    _settle()


def _settle() -> None:
    namespaces.unshare(namespaces.CLONE_NEWNS)
    # Changing ids cleared it.
    prctl.die_with_parent(signal.SIGKILL)
    os.umask(0)
