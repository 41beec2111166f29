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

from ..filesystem.mapped_mounts import attach_mapped, open_mapped
from ..kernel import idmap, namespaces, parent
from ..kernel.descriptors import close_all_except
from ..protocol import wire
from ..protocol.common import Failed
from ..protocol.helpers import HELPER_TO_ZYGOTE, HelperDone
from ..protocol.message import BadMessage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    from ..protocol.message import Message

Work: TypeAlias = "Callable[[], list[int] | Message]"


class Helper:
    """One such process.

    Args:
        work: what it does; returns descriptors for the zygote, or what to answer the engine.
        fds: all descriptors that it needs.

    Attributes:
        told: what to answer the engine, if the work has returned that.
    """

    def __init__(self, work: Work, fds: list[int]) -> None:
        self.told: Message | None = None
        self._sock, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        zygote = os.getpid()
        try:
            # Keeps room for the descriptor that may come with the answer: what the work has changed
            # could not be undone if that were lost.
            self._room = self._sock.dup()
            self.pid = os.fork()
            if self.pid == 0:
                try:
                    parent.die_with(zygote)
                    _run(work, theirs, [theirs.fileno(), *fds])
                finally:
                    os._exit(0)  # not sys.exit(3): the zygote's own clean-up is not ours
        except OSError:
            self._sock.close()
            raise
        finally:
            theirs.close()

    def fileno(self) -> int:
        """Readable when it has answered."""
        return self._sock.fileno()

    def answer(self) -> list[int]:
        """The descriptors that its work returned; waits for it.

        Raises:
            OSError: what the kernel told it, or that it died.
        """
        self._room.close()
        with self._sock:
            try:
                message, _, fds = wire.receive(self._sock, HELPER_TO_ZYGOTE)
            except BadMessage as error:
                raise OSError(errno.EPROTO, str(error), "") from error
        if message is None:
            raise OSError(errno.EIO, "the helper was killed", "")
        if isinstance(message, Failed):
            raise message.error.error()
        if not isinstance(message, HelperDone):
            self.told = message
        return fds


def _run(work: Work, sock: socket.socket, fds: list[int]) -> None:
    # The pipe is the zygote's, and so are the handlers: fork(2).
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    close_all_except(fds)  # so that nothing of another sandbox lives on in this process
    try:
        done = work()
        passed = done if isinstance(done, list) else []
        _let_go([sock.fileno(), *passed])
        wire.send(sock, HelperDone() if isinstance(done, list) else done, tuple(passed))
    except Exception as error:
        cause = error if isinstance(error, OSError) else OSError(errno.EIO, repr(error))
        with contextlib.suppress(OSError):
            _let_go([sock.fileno()])
            wire.send(sock, Failed.of(cause))


def _let_go(kept: list[int]) -> None:
    # Before the answer: after it, the next request may unmount what these are in.
    os.chdir("/")
    close_all_except(kept)


def enter(namespace: int, mapped: list[str]) -> None:
    """Become root of a sandbox, with a copy of the stage of one's own.

    Args:
        namespace: one of the sandbox's own.
        mapped: what of the stage is needed and has to be mapped: see `SandboxConfig.mapped`.
    """
    owner = namespaces.owner_of(namespace)
    if os.path.samestat(os.fstat(owner), os.stat("/proc/self/ns/user")):
        _enter_new_mount_namespace()
    else:
        enter_user_namespace(owner, mapped)
    os.close(owner)


def enter_user_namespace(namespace: int, mapped: list[str]) -> None:
    """Become root of a user namespace, with a copy of the stage of one's own; see `enter`."""
    zygote = os.getppid()
    copies = open_mapped(mapped, namespace)
    # First of all: it is what gives the capabilities that the other namespaces ask for, setns(2).
    namespaces.enter(namespace, namespaces.CLONE_NEWUSER)
    idmap.become_root()
    # Cleared by the change of ids: prctl(2), PR_SET_PDEATHSIG.
    parent.die_with(zygote)
    _enter_new_mount_namespace()
    attach_mapped(mapped, copies)


def _enter_new_mount_namespace() -> None:
    # What is mounted from here on is seen by this process only, and is gone when it ends.
    namespaces.unshare(namespaces.CLONE_NEWNS)
    os.umask(0)
