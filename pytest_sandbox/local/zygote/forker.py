"""The process that sandboxes are forked from: a copy of the zygote, which does nothing else.

A process and what was forked from it share their memory, and of each page that either writes to,
one of them gets a copy. The zygote has much to do for each sandbox: if it forked them itself, it
would copy hundreds of pages for each, while that one waits, and those that live would keep as many.
"""

from __future__ import annotations

import errno
import os
import signal
import socket

from ..agent import rehearsal
from ..agent.blank import NewBlank
from ..agent.bootstrap import NAMESPACES, Bootstrap
from ..kernel import namespaces, parent
from ..kernel.cgroups.joining import CgroupDescriptors
from ..kernel.clone import PreparedClone
from ..kernel.descriptors import close_all_except
from ..kernel.process_title import set_title
from ..protocol import wire
from ..protocol.common import Failed
from ..protocol.forker import (
    FORKED,
    FORKER_TO_ZYGOTE,
    ORDER,
    ZYGOTE_TO_FORKER,
    BlankPlan,
    SandboxPlan,
)
from ..protocol.message import BadMessage
from . import priority
from .user_limits import NamespaceOwners

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..agent.bootstrap import NewSandbox
    from .setup import Setup

#: How many plans the process knows; then another one is started.
_MOST_PLANS = 64
#: Where an order has no owner.
_NONE = -1


class Forker:
    """The zygote's end of it.

    Args:
        setup: what sandboxes are made of.
    """

    def __init__(self, setup: Setup) -> None:
        self._setup = setup
        self._plans: list[SandboxPlan | BlankPlan] = []  # those that the process knows
        self._sock: socket.socket | None = None

    def start(self) -> None:
        """Start the process, as a copy of this one as it is now.

        Raises:
            OSError: the kernel refused it.
        """
        zygote = os.getpid()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            with theirs:
                if os.fork() == 0:
                    try:
                        parent.die_with(zygote)
                        _ForkerProcess(self._setup, theirs, zygote).run()
                    finally:
                        os._exit(0)  # not sys.exit(3): the zygote's own clean-up is not ours
        except OSError:
            ours.close()
            raise
        self._sock = ours

    def stop(self) -> None:
        """End the process, if there is one."""
        if self._sock is not None:
            self._sock.close()
            self._sock, self._plans = None, []

    def fork(
        self,
        plan: SandboxPlan | BlankPlan,
        owner: int | None,
        sock: socket.socket | None,
        gate: socket.socket,
        cgroups: CgroupDescriptors,
    ) -> int:
        """Fork PID 1 of a sandbox, as a child of this process; its pid.

        Args:
            plan: what it is to make of itself.
            owner: whose its user namespace is; `None` for this process's own user.
            sock: where the engine talks to it; `None` for a blank.
            gate: its end of the socket to this process.
            cgroups: what it joins.

        Raises:
            OSError: the kernel refused it, or the forker was killed meanwhile.
        """
        first = () if sock is None else (sock.fileno(),)
        fds = (*first, gate.fileno(), *cgroups.fds)
        try:
            return self._order(plan, owner, fds)
        except ConnectionError:  # it was killed before
            self.stop()
            return self._order(plan, owner, fds)

    def _order(self, plan: SandboxPlan | BlankPlan, owner: int | None, fds: tuple[int, ...]) -> int:
        number = self._number(plan)
        sock = self._running()
        wire.send_packet(sock, ORDER.pack(number, _NONE if owner is None else owner), fds)
        packet = wire.receive_packet(sock)
        data, _, _ = packet
        if len(data) == FORKED.size:
            (pid,) = FORKED.unpack(data)
            return int(pid)
        try:
            answer, _, _ = wire.open_request(packet, FORKER_TO_ZYGOTE)
        except BadMessage as error:
            raise OSError(errno.EPROTO, str(error), "") from error
        if isinstance(answer, Failed):
            raise answer.error.error()
        self.stop()
        raise OSError(errno.EIO, "the process that forks sandboxes was killed", "")

    def _number(self, plan: SandboxPlan | BlankPlan) -> int:
        """The number by which the process knows a plan."""
        if plan in self._plans:
            return self._plans.index(plan)
        if len(self._plans) >= _MOST_PLANS:
            self.stop()
        wire.send_request(self._running(), plan, number=len(self._plans))
        self._plans.append(plan)
        return len(self._plans) - 1

    def _running(self) -> socket.socket:
        if self._sock is None:
            self.start()
        assert self._sock is not None
        return self._sock


class _ForkerProcess:
    """The process's own end.

    Args:
        setup: what sandboxes are made of.
        sock: to the zygote.
        zygote: its pid.
    """

    def __init__(self, setup: Setup, sock: socket.socket, zygote: int) -> None:
        self._sock = sock
        self._zygote = os.pidfd_open(zygote)
        self._flags = NAMESPACES | (namespaces.CLONE_NEWUSER if setup.userns else 0)
        self._owners = NamespaceOwners(rootless=setup.rootless)
        self._bootstrap = Bootstrap(setup.config, self._zygote)
        self._plans: dict[int, SandboxPlan | BlankPlan] = {}
        self._ready: dict[int, _ReadyToFork] = {}
        if setup.may_prefer:
            priority.prefer(0)  # what the zygote has is not for what it forks

    def run(self) -> None:
        """Fork sandboxes until the zygote is gone."""
        # The pipe is the zygote's, and so are the handlers: fork(2).
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        close_all_except([0, 1, 2, self._sock.fileno(), self._zygote])
        set_title("pytest-sandbox forker")
        rehearsal.rehearse()
        while True:
            packet = wire.receive_packet(self._sock)
            data, fds, flags = packet
            if len(data) == ORDER.size:
                self._serve(data, fds, flags)
            elif not data:
                return
            else:
                plan, number, _ = wire.open_request(packet, ZYGOTE_TO_FORKER)
                assert isinstance(plan, (SandboxPlan, BlankPlan))
                self._plans[number] = plan

    def _serve(self, data: bytes, fds: list[int], flags: int) -> None:
        number, owner = ORDER.unpack(data)
        try:
            if flags & wire.LOST:
                raise OSError(errno.EMFILE, os.strerror(errno.EMFILE), "")
            answer = FORKED.pack(self._fork(number, owner, fds))
        except OSError as error:
            answer = wire.encode(Failed.of(error))
        # First: the new process waits for the zygote, which waits for this.
        wire.send_packet(self._sock, answer)
        wire.close_all(fds)
        if owner != _NONE:
            self._owners.change_back()  # if it fails, this process ends, and another one is started

    def _fork(self, number: int, owner: int, fds: list[int]) -> int:
        """Fork one; its pid. Leaves this process with the ids of the owner."""
        ready = self._ready.get(number)
        # As a rule they come with the same numbers each time.
        if ready is None or ready.fds != fds:
            ready = self._prepare(number, fds)
        # Forked, not started: it has all modules in memory, since nothing can be imported from a
        # sandbox's root.
        if owner != _NONE:
            self._owners.change_to(owner, ready.processes)
        return ready.clone.make()

    def _prepare(self, number: int, fds: list[int]) -> _ReadyToFork:
        plan = self._plans[number]
        first = 1 if isinstance(plan, BlankPlan) else 2
        cgroups = CgroupDescriptors()
        for index, fd in enumerate(fds[first:]):
            cgroups.add(2 if plan.folder and index == 0 else 1, fd)
        new: NewBlank | NewSandbox
        if isinstance(plan, BlankPlan):
            new = NewBlank(self._bootstrap, plan, fds[0], cgroups)
        else:
            new = self._bootstrap.prepare(plan, fds[0], fds[1], cgroups)
        clone = PreparedClone(self._flags, new.run, cgroups.folder, sibling=True)
        ready = self._ready[number] = _ReadyToFork(fds, clone, plan.processes)
        return ready


class _ReadyToFork:
    """A plan with what it takes to fork such a sandbox.

    Args:
        fds: the descriptors that it was prepared for.
        clone: forks one.
        processes: how many processes and threads it may have.
    """

    def __init__(self, fds: list[int], clone: PreparedClone, processes: int) -> None:
        self.fds = fds
        self.clone = clone
        self.processes = processes
