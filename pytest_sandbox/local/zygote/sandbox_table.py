"""Making sandboxes, killing them, and clearing up after them."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import socket

from ..kernel import process_usage
from ..kernel.cgroups.limits import CgroupLimits
from ..kernel.process_usage import ProcessUsage
from ..protocol.common import Failed, KernelError
from ..protocol.forker import SandboxPlan
from ..protocol.zygote import (
    Figures,
    SandboxBorn,
    SandboxEnded,
    SandboxGone,
    SnapshotAtEndRequest,
    UsageAnswer,
)
from . import priority, stuck_agent
from .births.births import Births
from .births.kept_blank import KeptBlank
from .helper import Helper
from .sandbox_record import SandboxRecord
from .watches.memory_watch import MemoryWatch
from .watches.second_wall import SecondWall
from .watches.socket_watch import SocketWatch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..kernel.cgroups.group_usage import GroupUsage
    from ..kernel.cgroups.sandbox_group import SandboxGroup
    from ..protocol.engine_socket import EngineSocket
    from ..protocol.zygote import (
        CreateRequest,
        FreeAgentRequest,
        KillRequest,
        UsageRequest,
    )
    from .criu_requests import CriuRequests
    from .file_requests import FileRequests
    from .setup import Setup


#: Bytes of memory that are freed quickly.
_LITTLE = 16 << 20
#: How many sandboxes may have ended for the engine while the kernel still frees what they had.
_LINGERING = 16


class SandboxTable:
    """The sandboxes of one zygote.

    Args:
        setup: what they are made of.
        engine: hears of each that is born or has ended.
        files: makes a layer of one that has ended, if that was asked for.
        processes: works on the memory of those that live.
    """

    def __init__(
        self, setup: Setup, engine: EngineSocket, files: FileRequests, processes: CriuRequests
    ) -> None:
        self._config = setup.config
        self._cgroups = setup.cgroups
        self._may_prefer = setup.may_prefer
        self._engine = engine
        self._files = files
        self._processes = processes
        self.births = Births(setup)
        self.blank = KeptBlank(setup, self.births)
        self._second_wall = SecondWall()
        bounded = "memory" in setup.cgroups.controllers
        self._memory_watch = None if bounded else MemoryWatch()
        self._socket_watch = SocketWatch(self._end_for_memory)
        self._alive: dict[int, SandboxRecord] = {}  # by the pid of PID 1
        self._being_freed: dict[int, SandboxRecord] = {}  # by the pid of the helper that frees it

    def find(self, name: str) -> tuple[int, SandboxRecord | None]:
        """The sandbox of that name which lives, with the pid of its PID 1."""
        found = ((pid, record) for pid, record in self._alive.items() if record.name == name)
        return next(found, (0, None))

    def create(self, request: CreateRequest, number: int, fds: list[int]) -> None:
        """Make a sandbox."""
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET, 0, fds[0])
        try:
            self._fork(request, sock)
        except OSError as error:
            if request.at_end is not None:
                self._engine.tell(Failed.of(error), number=request.at_end.number)
            self._tell_end(request.name, failed=KernelError.of(error))
        finally:
            sock.detach()  # whoever calls this closes its descriptor

    def kill(self, request: KillRequest, number: int, fds: list[int]) -> None:
        """Kill a sandbox, if it is there."""
        # From outside its pid namespace, SIGKILL does end a PID 1, and the kernel then kills all
        # that is in there: pid_namespaces(7).
        pid, record = self.find(request.name)
        if record is None:
            return
        if record.killed:
            return
        little = record.at_end is None and self._has_little(record)
        if little:
            record.leave_to_pid_1()
        alone = self._kill(pid, record)
        if alone and little and self._may_linger(record):
            self._tell_end(record.name, out_of_memory=self._cgroups.out_of_memory(record.group))
            record.told = True
        else:
            self._count_dying(pid, record)

    def free_agent(self, request: FreeAgentRequest, number: int, fds: list[int]) -> None:
        """Have an agent go on that waits for what a program stops."""
        pid, record = self.find(request.name)
        if record is not None:
            stuck_agent.free(pid, kill=request.kill)

    def tell_usage(self, request: UsageRequest, number: int, fds: list[int]) -> None:
        """Tell what a sandbox used so far."""
        pid, record = self.find(request.name)
        if record is None:
            gone = OSError(errno.ESRCH, "the sandbox has ended", "")
            self._engine.tell(Failed.of(gone), number=number)
            return
        used = process_usage.of_process(pid) + process_usage.of_descendants(pid)
        figures = _figures(self._figures_of(record), used)
        self._engine.tell(UsageAnswer(figures=figures), number=number)

    def snapshot_at_end(self, request: SnapshotAtEndRequest, number: int, fds: list[int]) -> None:
        """Kill a sandbox; once it is dead, a layer is made of what it wrote."""
        pid, record = self.find(request.name)
        if record is None or record.at_end is not None:
            self._files.about_sandbox(request, number, None)  # which refuses it
        else:
            record.at_end = request, number
            self._kill_and_count(pid, record)

    def reap(self) -> bool:
        """Collect the dead; whether there are children that live."""
        while True:
            try:
                # It stays a zombie for now, which still tells what it wrote.
                dead = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT | os.WNOHANG)
            except ChildProcessError:
                return False
            if dead is None:
                return True
            pid = dead.si_pid
            record = self._alive.pop(pid, None)
            if record is not None and record.counted is None:
                record.used += ProcessUsage(0.0, process_usage.written(pid))
            _, _, times = os.wait4(pid, 0)
            self._processes.reaped(pid)
            self._second_wall.reaped(pid)
            self.blank.reaped(pid)
            if record is not None:
                record.used += ProcessUsage(times.ru_utime + times.ru_stime)
                self._clear_up(record)
            elif pid in self._being_freed:
                self._ended(self._being_freed.pop(pid))

    def _kill(self, pid: int, record: SandboxRecord) -> bool:
        """Kill a sandbox; whether nothing of it can run any more.

        Else programs are left, which the kernel kills as PID 1 ends.
        """
        record.killed = True
        if record.at_end is not None:
            with contextlib.suppress(OSError):  # it ends by itself before
                _ = record.store  # which PID 1 makes after it has said that it is ready
        alone = self._cgroups.is_alone(record.group)
        if not alone:
            # A PID 1 that ends does not wait for the others, so what these used would not be part
            # of what it used: `zap_pid_ns_processes` in kernel/pid_namespace.c.
            record.used = process_usage.of_descendants(pid)
            if self._may_prefer:
                # Only now: while it lives, what it starts would wait for it, where it has to get
                # going.
                priority.prefer(pid)
        os.kill(pid, signal.SIGKILL)
        self._second_wall.killed(pid)
        # Asked again: it may have started something before. From now on it cannot, since fork(2)
        # fails in a process that was killed: copy_process() in kernel/fork.c.
        return alone and self._cgroups.is_alone(record.group)

    def _kill_and_count(self, pid: int, record: SandboxRecord) -> None:
        if not record.killed:
            self._kill(pid, record)
            self._count_dying(pid, record)

    def _count_dying(self, pid: int, record: SandboxRecord) -> None:
        """While it ends, so that its end can be told at once."""
        record.used += ProcessUsage(0.0, process_usage.written(pid))
        record.counted = self._count(record)

    def _may_linger(self, record: SandboxRecord) -> bool:
        """Whether the engine may go on before the kernel has freed all that a sandbox had."""
        if record.group.limits.gpus is not None:
            return False  # others may get its devices then
        return sum(each.told for each in self._alive.values()) < _LINGERING

    def _count(self, record: SandboxRecord) -> tuple[bool, GroupUsage]:
        counted = self._figures_of(record)
        return bool(counted.oom_kills or record.oom_kills), counted

    def _figures_of(self, record: SandboxRecord) -> GroupUsage:
        counted = self._cgroups.figures(record.group)
        if self._memory_watch is not None:
            counted.oom_kills = record.oom_kills
        return counted

    def end_overdue(self) -> float | None:
        """End what was killed and is still there; the seconds until this is to be called again."""
        return self._second_wall.act()

    def watch_memory(self) -> float | None:
        """End what uses too much; the seconds until this is to be called again."""
        if self._memory_watch is not None:
            self._memory_watch.act(self._alive)
        return self._socket_watch.act(self._alive)  # as often

    def _end_for_memory(self, pid: int, record: SandboxRecord) -> None:
        record.oom_kills += 1
        self._kill_and_count(pid, record)

    def kill_all(self) -> None:
        """Kill all that live."""
        self.blank.end()
        for pid, record in self._alive.items():
            record.leave_to_pid_1()
            os.kill(pid, signal.SIGKILL)
            self._second_wall.killed(pid)

    def _has_little(self, record: SandboxRecord) -> bool:
        """Whether what a sandbox holds, in its memory and in files, is freed quickly."""
        usage = self._cgroups.usage(record.group)
        return usage is not None and usage <= _LITTLE

    def _fork(self, request: CreateRequest, sock: socket.socket) -> None:
        self._config.volumes.make_missing(request.volumes)
        gpus = self._config.gpus.devices(request.gpus) if request.gpus else None
        if self.blank.can_become(request) and self._take_blank(request, sock):
            return
        limits = CgroupLimits(request.processes, request.memory, request.cpus, gpus)
        group = self._group_of(request.beside) if request.beside else self._cgroups.make(limits)
        try:
            ours, gate = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        except OSError:
            self._dismiss(group)
            raise
        record = _record(request, ours, group, self.births.lease())
        try:
            mapped = self._config.mapped_for(request)
            with gate:
                cgroups = group.descriptors()
                plan = self._plan(request, folder=cgroups.folder is not None)
                pid = self.births.fork(plan, record.lease, sock, gate, cgroups)
                self._alive[pid] = record
                record.pid = pid
                try:
                    self.births.let_go(pid, record.lease, mapped, ours)
                finally:
                    # Last, because PID 1 waits for the rest; and whatever has become of that.
                    self._engine.tell(SandboxBorn(name=record.name, pid=pid, ahead=False))
        except OSError:
            if record not in self._alive.values():
                self._forget(record)
            record.close()  # which PID 1 takes as the order to exit
            raise

    def _take_blank(self, request: CreateRequest, sock: socket.socket) -> bool:
        """Have the blank become a sandbox; whether it is going to."""
        blank = self.blank.become(self._plan(request, folder=False), request, sock)
        if blank is None:
            return False
        record = _record(request, blank.gate, blank.group, blank.lease)
        self._alive[blank.pid] = record
        record.pid = blank.pid
        self._engine.tell(SandboxBorn(name=record.name, pid=blank.pid, ahead=True))
        return True

    def _plan(self, request: CreateRequest, *, folder: bool) -> SandboxPlan:
        return SandboxPlan(
            stack=self._config.layers.describe(request.layers),
            volumes=request.volumes,
            hostname=request.hostname,
            workdir=request.workdir,
            project=request.project,
            network=request.network,
            processes=request.processes,
            gpus=request.gpus,
            folder=folder,
        )

    def _clear_up(self, record: SandboxRecord) -> None:
        """It is dead: free what it wrote, then tell."""
        self._processes.kill_helpers(record.name)
        if record.at_end is not None and record.replacing:
            record.once_replaced(lambda: self._clear_up(record))
            return
        if record.at_end is not None:
            request, number = record.at_end
            self._files.snapshot_dead(request, number, record)
        elif self._engine.running and not record.is_quick_to_free():
            # A tmpfs is freed by the process that lets go of it last, which takes its time. Let
            # that be one that nothing else waits for.
            with contextlib.suppress(OSError):  # if there is none, it is us
                helper = Helper(list, record.fds)
                record.close()
                self._being_freed[helper.pid] = record
                return
        record.close()
        self._ended(record)

    def _ended(self, record: SandboxRecord) -> None:
        out_of_memory, counted = record.counted or self._count(record)
        used = _figures(counted, record.used)
        if record.told:
            self._engine.tell(SandboxGone(name=record.name, used=used))
        else:
            self._tell_end(record.name, out_of_memory=out_of_memory, used=used)
        self._forget(record)

    def _forget(self, record: SandboxRecord) -> None:
        """Free what it had of the machine."""
        self.births.give_back(record.lease)
        self._dismiss(record.group)

    def _group_of(self, name: str) -> SandboxGroup:
        """The group of a sandbox, for one more that shares it."""
        _, record = self.find(name)
        if record is None:
            raise OSError(errno.ESRCH, "the sandbox has ended", "")
        return record.group

    def _dismiss(self, group: SandboxGroup) -> None:
        """Free a group, unless another sandbox shares it."""
        others = (*self._alive.values(), *self._being_freed.values())
        if all(record.group is not group for record in others):
            self._cgroups.dismiss(group)

    def _tell_end(
        self,
        name: str,
        *,
        out_of_memory: bool = False,
        failed: KernelError | None = None,
        used: Figures | None = None,
    ) -> None:
        self._engine.tell(
            SandboxEnded(name=name, out_of_memory=out_of_memory, failed=failed, used=used)
        )


def _record(
    request: CreateRequest, gate: socket.socket, group: SandboxGroup, lease: int | None
) -> SandboxRecord:
    record = SandboxRecord(
        *(request.name, gate, group, request.layers, lease),
        project=request.project,
    )
    if (wanted := request.at_end) is not None:
        layer = SnapshotAtEndRequest(name=request.name, layer=wanted.layer, room=wanted.room)
        record.at_end = layer, wanted.number
    return record


def _figures(counted: GroupUsage, used: ProcessUsage) -> Figures:
    return Figures(
        cpu_seconds=used.cpu_seconds if counted.cpu_seconds is None else counted.cpu_seconds,
        peak_memory=counted.memory,
        bytes_written=used.written,
        peak_processes=counted.processes,
        oom_kills=counted.oom_kills,
    )
