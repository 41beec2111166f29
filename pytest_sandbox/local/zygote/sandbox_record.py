"""A sandbox, as the zygote knows it."""

from __future__ import annotations

import contextlib
import errno
import os
import socket

from ..filesystem.layers import is_quick_to_free
from ..kernel.descriptors import check_room
from ..kernel.process_usage import ProcessUsage
from ..kernel.tmpfs import usage
from ..protocol import wire
from ..protocol.helpers import AGENT_TO_ZYGOTE, ENTERED
from ..protocol.message import BadMessage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ..kernel.cgroups.group_usage import GroupUsage
    from ..kernel.cgroups.sandbox_group import SandboxGroup
    from ..protocol.zygote import SnapshotAtEndRequest


_DO_NOT_WAIT = int(socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)


class SandboxRecord:
    """What the zygote holds of one sandbox.

    Args:
        name: the engine's name for it.
        gate: where PID 1 once sends its store and two of its namespaces; it keeps its end.
        group: its cgroups.
        stack: the layers that its root is made of, the newest first.
        lease: the first of the ids that no other sandbox has; `None` if it has none.
        project: whether it shows the project.

    Attributes:
        pid: of its PID 1, once there is one.
        used: what it used that is not part of what its PID 1 tells, then all of it.
        killed: whether it was killed; it may not be dead yet.
        told: whether the engine has heard of its end.
        counted: what its cgroups counted, once that is known: whether the kernel killed a process
            of it for memory, and what it used.
        oom_kills: how many of its processes were killed for using too much memory, besides those
            that its cgroups count.
        at_end: a request to make a layer of its store once it is dead, and the request's number.
        replacing: whether its store is a layer now, and it is about to get another one.
    """

    def __init__(
        self,
        name: str,
        gate: socket.socket,
        group: SandboxGroup,
        stack: list[int],
        lease: int | None,
        *,
        project: bool,
    ) -> None:
        self.name = name
        self.group = group
        self.lease = lease
        self.stack = stack
        self.project = project
        self.pid = 0
        self.used = ProcessUsage()
        self.killed = False
        self.told = False
        self.counted: tuple[bool, GroupUsage] | None = None
        self.oom_kills = 0
        self.at_end: tuple[SnapshotAtEndRequest, int] | None = None
        self.replacing = False
        self._when_replaced: Callable[[], None] | None = None
        self._store_lost = False
        self._gate = gate
        self._fds: list[int] = []
        self._entered = False

    @property
    def store(self) -> int:
        """What it writes to: a mount, detached or in use as a layer; may wait for that."""
        if self._store_lost:
            raise OSError(errno.ESRCH, "the sandbox has no store any more, so it is ended", "")
        return self._handles()[0]

    @property
    def mount_namespace(self) -> int:
        """Its mount namespace, in which nothing but the sandbox shows; may wait for that."""
        namespace = self._handles()[1]
        if not self._entered:
            with contextlib.suppress(ConnectionError):
                self._entered = self._gate.recv(1) == ENTERED
        if not self._entered:
            raise OSError(errno.ESRCH, "the sandbox has ended", "")
        return namespace

    @property
    def network_namespace(self) -> int:
        """Its network namespace; may wait for that."""
        return self._handles()[2]

    def begin_replacement(self) -> None:
        """Its store is a layer now: `replace_store` or `lose_store` is to follow."""
        self.replacing = True

    def replace_store(self, store: int) -> None:
        """It has another store, unless it has ended."""
        old = store
        if self._fds:
            old, self._fds[0] = self._fds[0], store
        os.close(old)
        self._end_replacement()

    def lose_store(self) -> None:
        """It could not get another store."""
        self._store_lost = True
        self._end_replacement()

    def once_replaced(self, work: Callable[[], None]) -> None:
        """Do something as soon as its store is no layer."""
        self._when_replaced = work

    def _end_replacement(self) -> None:
        self.replacing = False
        if self._when_replaced is not None:
            self._when_replaced()

    @property
    def fds(self) -> list[int]:
        """The descriptors that hold it."""
        return self._fds

    def is_quick_to_free(self) -> bool:
        """Whether `close` may be called while others wait, if nothing else holds the store."""
        if self._gate.fileno() < 0 and not self._fds:
            return True  # it was
        try:
            return is_quick_to_free(usage(self.store))
        except OSError:
            return True  # it was never built

    def leave_to_pid_1(self) -> None:
        """Hold nothing of it, just before its PID 1 is killed, which then frees all.

        Else it would be this process that waits for the kernel when it closes the last descriptor
        of a mount: `synchronize_rcu_expedited` in `namespace_unlock`, fs/namespace.c.
        """
        # What lies in the socket is closed with it, and this end of it with the one in which it
        # lies, which is that of PID 1: unix_release_sock() in net/unix/af_unix.c.
        with contextlib.suppress(OSError):  # it has ended before
            fds = [self._gate.fileno(), *self._fds]
            socket.send_fds(self._gate, [b"l"], fds, _DO_NOT_WAIT)
        self.close()

    def close(self) -> None:
        """Hold nothing of it: the kernel frees a mount with the last descriptor and namespace."""
        self._gate.close()
        wire.close_all(self._fds)
        self._fds = []

    def _handles(self) -> list[int]:
        # Received only when they are needed, which for most sandboxes they never are. Until then
        # they lie in the socket, which keeps them alive: unix(7), SCM_RIGHTS.
        if not self._fds and self._gate.fileno() >= 0:
            check_room(self._gate.fileno(), 3)
            try:
                _, _, self._fds = wire.receive(self._gate, AGENT_TO_ZYGOTE)
            except BadMessage as error:
                raise OSError(errno.EPROTO, str(error), "") from error
        if len(self._fds) != 3:
            raise OSError(errno.ESRCH, "the sandbox has ended", "")
        return self._fds
