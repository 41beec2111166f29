"""Processes that the zygote forks to work on the filesystem of one sandbox from outside.

A helper has all rights over its sandbox, and over the machine none but those of the stage. It
answers once and ends; if it dies before, that is an answer too.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket

from ..filesystem.mapped_mounts import attach_mapped, prepare_mapped
from ..kernel import idmap, namespaces, parent
from ..kernel.calls import PreparedCalls
from ..kernel.clone import clone
from ..kernel.descriptors import close_all_except
from ..protocol import wire
from ..protocol.common import Failed
from ..protocol.helpers import HELPER_TO_ZYGOTE, HelperDone
from ..protocol.message import BadMessage

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ctypes
    from collections.abc import Callable, Sequence
    from typing import TypeAlias

    from ..protocol.message import Message

Work: TypeAlias = "Callable[[], list[int] | Message]"


def here(calls: PreparedCalls) -> None:
    """The work needs nothing to be done before."""


class Helper:
    """One such process.

    Args:
        work: what it does; returns descriptors for the zygote, or what to answer the engine.
        fds: all descriptors that it needs.
        where: has calls prepared that it makes before the work.
        kept: descriptors of the work that are closed only with the process: the answer does not
            wait for that.

    Attributes:
        told: what to answer the engine, if the work has returned that.
    """

    def __init__(
        self,
        work: Work,
        fds: list[int],
        where: Callable[[PreparedCalls], None] = here,
        kept: Sequence[ctypes.c_long] = (),
    ) -> None:
        self.told: Message | None = None
        self._sock, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        first = PreparedCalls()
        parent.die_with(os.getpid(), first)
        # So that nothing of another sandbox lives on in this process.
        close_all_except([theirs.fileno(), *fds], first)
        try:
            where(first)
            # Keeps room for the descriptor that may come with the answer: what the work has changed
            # could not be undone if that were lost.
            self._room = self._sock.dup()
            # Without the zygote's handlers of signals, which write to its pipe.
            self.pid = clone(0, lambda: _run(first, work, theirs, kept))
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


def _run(
    first: PreparedCalls, work: Work, sock: socket.socket, kept: Sequence[ctypes.c_long]
) -> None:
    try:
        first.make()
        done = work()
        passed = done if isinstance(done, list) else []
        _let_go([sock.fileno(), *passed, *(each.value for each in kept)])
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


def enter(namespace: int, mapped: Sequence[str], calls: PreparedCalls) -> None:
    """Have a helper become root of a sandbox, with a copy of the stage of its own.

    Args:
        namespace: one of the sandbox's own.
        mapped: what of the stage is needed and has to be mapped: see `SandboxConfig.mapped`.
        calls: made by the helper.
    """
    owner = namespaces.owner_of(namespace)
    try:
        ours = os.path.samestat(os.fstat(owner), os.stat("/proc/self/ns/user"))
    finally:
        os.close(owner)
    if ours:
        _enter_new_mount_namespace(calls)
    else:
        enter_user_namespace(namespaces.prepare_owner_of(namespace, calls), mapped, calls)


def enter_user_namespace(
    namespace: int | ctypes.c_long, mapped: Sequence[str], calls: PreparedCalls
) -> None:
    """Have a helper become root of a user namespace; see `enter`."""
    copies = prepare_mapped(mapped, namespace, calls)
    # First of all: it is what gives the capabilities that the other namespaces ask for, setns(2).
    namespaces.enter(namespace, namespaces.CLONE_NEWUSER, calls)
    idmap.become_root(calls)
    # Cleared by the change of ids: prctl(2), PR_SET_PDEATHSIG.
    parent.die_with(os.getpid(), calls)
    _enter_new_mount_namespace(calls)
    attach_mapped(mapped, copies, calls)


def _enter_new_mount_namespace(calls: PreparedCalls) -> None:
    # What is mounted from here on is seen by this process only, and is gone when it ends.
    namespaces.unshare(namespaces.CLONE_NEWNS, calls)
    calls.add("umask", 0)
