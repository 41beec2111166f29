"""One sandbox, as the engine sees it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from pytest_sandbox.engine import (
    DEFAULT_WORKDIR,
    Connection,
    DirectorySnapshot,
    EndCause,
    EngineUnavailable,
    ExitStatus,
    MemorySnapshot,
    Network,
    NetworkLog,
    NotFreezable,
    Process,
    ProcessSpec,
    RootImage,
    Snapshot,
    SupportsExitSnapshots,
    SupportsMemorySnapshots,
    SupportsMounts,
    SupportsNetworkChange,
    SupportsNetworkLog,
    SupportsPorts,
    SupportsSidecars,
    SupportsSnapshots,
    SupportsUsage,
    Task,
    TaskEnd,
    TaskEnded,
    TaskSpec,
    Unsupported,
    Usage,
    check_membership,
    check_process,
)

from ..agents.agent_link import AgentLink
from ..agents.errors import BuildFailed
from ..agents.files import LocalFiles, check_path
from ..agents.pending_answers import ignore
from ..agents.ports import LocalPorts
from ..agents.process import LocalProcess
from ..protocol.agent import RESOLVER_FILE, RESOLVER_TEXT, GatewayRequest, WarmUpRequest
from ..protocol.common import Succeeded
from ..protocol.wire import close_all

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from pytest_sandbox.engine import Membership

    from ..agents.pump import Pump
    from ..protocol.zygote import Figures
    from .gpus.leased import TaskGpus
    from .outlet import LocalOutlet
    from .snapshots.restore_helper import RestoreHelper
    from .snapshots.snapshotter import Snapshotter


#: Seconds that a memory snapshot may take: gigabytes fit.
SNAPSHOT_TIMEOUT = 60.0


class TakesMemorySnapshots(Protocol):
    """What a task needs of `LocalMemorySnapshots`, which in turn makes tasks."""

    async def snapshot(
        self,
        spec: TaskSpec,
        link: AgentLink,
        snapshotter: Snapshotter,
        is_open: Callable[[], bool],
        main: LocalProcess | None,
    ) -> MemorySnapshot:
        """Take a snapshot of files and processes of a task."""

    def prepare(self, files: RootImage, snapshotter: Snapshotter) -> RestoreHelper | None:
        """Begin to restore processes in a sandbox that was made ahead; `None` if it is not for any.

        Args:
            files: what the sandbox was made from.
            snapshotter: of the sandbox.
        """


class LocalTask(
    Task,
    SupportsSnapshots,
    SupportsExitSnapshots,
    SupportsMounts,
    SupportsMemorySnapshots,
    SupportsPorts,
    SupportsNetworkLog,
    SupportsNetworkChange,
    SupportsSidecars,
    SupportsUsage,
):
    """A sandbox; the engine tells it when it has ended, and when nothing of it is left.

    Args:
        spec: what was asked for.
        env: the image's environment, with the specification's over it.
        sock: the engine's end of the socket to the agent.
        pumps: the engine's running pumps.
        kill: tells the zygote to kill PID 1.
        free: tells the zygote to resume what PID 1 waits for, or to kill it.
        measure: asks the zygote what it used so far.
        open_outlet: has the zygote make a way out, of which it gives the sockets.
        snapshotter: takes snapshots of its files.
        outlet: its way out.
        memory: bytes that it may use, where that can be limited.
        note: called with each request to its agent, and with each message of that.

    Attributes:
        failure: why it could not even be forked.
        was_blank: whether its PID 1 was made ahead.
    """

    def __init__(
        self,
        spec: TaskSpec,
        env: dict[str, str],
        sock: socket.socket,
        pumps: set[Pump],
        kill: Callable[[], None],
        free: Callable[[bool], None],
        measure: Callable[[], Awaitable[Figures]],
        open_outlet: Callable[[], Awaitable[list[int]]],
        snapshotter: Snapshotter,
        outlet: LocalOutlet,
        memory: int,
        note: Callable[[], None],
    ) -> None:
        self.main: LocalProcess | None = None
        #: Takes memory snapshots of it; the engine's.
        self.memory: TakesMemorySnapshots | None = None
        #: What is about to restore processes in it, if it was made ahead for that.
        self.restoring: RestoreHelper | None = None
        #: Makes a task that shares its limits.
        self.beside: Callable[[TaskSpec], Awaitable[LocalTask]] | None = None
        #: The GPUs that it has, which go back when it has ended.
        self.gpus: TaskGpus | None = None
        self._link = AgentLink(sock, pumps, self._lost, free, note)
        self.files: LocalFiles = LocalFiles(self._link)
        self._ports = LocalPorts(self._link)
        self._spec = spec
        self._env = env
        self._kill = kill
        self._measure = measure
        self._open_outlet = open_outlet
        self._used: Figures | None = None
        self._memory_limit = memory
        self.snapshotter = snapshotter
        self.failure: OSError | None = None
        self.was_blank = False
        self._outlet = outlet
        self._killed = False
        self._main_status: ExitStatus | None = None
        self._end: TaskEnd | None = None
        self._over = asyncio.Event()
        self._gone = asyncio.Event()

    def become(self, spec: TaskSpec, env: dict[str, str]) -> None:
        """Before `start`, change what does not show before."""
        self._spec, self._env = spec, env
        self._outlet.become(spec)

    async def start(self) -> None:
        """Return when PID 1 serves and the main process runs."""
        if self._spec.main is None:
            await self._link.ready
        else:
            self.main = await self._exec(self._spec.main, main=True)
        await self._outlet.open(self._link)

    def warm_up(self) -> None:
        """Do ahead what the first who uses it would wait for; shows in nothing but time."""
        ignore(self._link.ask(WarmUpRequest(), Succeeded))
        if self._spec.freezable and self.memory is not None:
            self.restoring = self.memory.prepare(self._spec.image, self.snapshotter)

    async def exec(self, spec: ProcessSpec) -> Process:
        """Start a further process."""
        check_process(spec)
        self._check_alive()
        return await self._exec(spec, main=False)

    async def connect(self, port: int) -> Connection:
        """Connect to a port that something inside listens on."""
        self._check_alive()
        return await self._ports.connect(port)

    async def set_network(self, network: Network) -> None:
        """Allow other connections than before."""
        self._check_alive()
        await self._outlet.change(network, self._make_outlet)

    async def create_sidecar(self, spec: TaskSpec) -> Task:
        """Create a task that shares the limits of this one."""
        self._check_alive()
        assert self.beside is not None  # only a trial of a mode has none
        return await self.beside(spec)

    async def join(self, membership: Membership) -> None:
        """Be in a network of sandboxes, although it was created in none."""
        self._check_alive()
        check_membership(membership)
        await self._outlet.join(membership, self._make_outlet)
        self._spec = replace(self._spec, membership=membership)

    async def _make_outlet(self) -> list[int]:
        """Make a way out; what the gateway serves it by."""
        try:
            sockets = await self._open_outlet()
        except OSError as error:
            raise Unsupported("sandbox network", f"{error.filename}: {error.strerror}") from error
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        sockets.append(ours.detach())
        try:
            await self._link.request(GatewayRequest(), Succeeded, (theirs.detach(),))
            with contextlib.suppress(OSError):  # a snapshot may be of something without this file
                await self._name_server()
        except BaseException:
            close_all(sockets)
            raise
        return sockets

    async def _name_server(self) -> None:
        file = await self.files.open(RESOLVER_FILE, os.O_WRONLY)
        try:
            await file.truncate(0)
            await file.pwrite(0, RESOLVER_TEXT.encode())
        finally:
            await file.close()

    async def network_log(self) -> NetworkLog:
        """What programs connected to."""
        return await self._outlet.log()

    @property
    def no_network(self) -> str:
        """Why it has no way out although one was wanted; empty if it has."""
        return self._link.no_network

    def poll(self) -> TaskEnd | None:
        """How it ended, or `None` while it lives."""
        return self._end

    async def wait(self) -> TaskEnd:
        """Return when it ended."""
        await self._over.wait()
        assert self._end is not None
        return self._end

    async def kill(self) -> None:
        """End it and return when nothing of it can run any more."""
        if self._end is None:
            self._killed = True
            self._kill()
            await self._over.wait()

    async def usage(self) -> Usage:
        """What it used so far, or until it ended."""
        used = self._used
        if self._end is None:
            try:
                used = await self._measure()
            except (OSError, EngineUnavailable):  # it has just ended
                await self._over.wait()
        if self._end is not None:
            await self._gone.wait()
            used = self._used
        if used is None:
            return Usage()
        # PID 1 counts for the kernel, but is ours.
        processes = None if used.peak_processes is None else max(0, used.peak_processes - 1)
        return Usage(
            *(used.cpu_seconds, used.peak_memory, used.bytes_written, processes, used.oom_kills)
        )

    async def snapshot(self, *, end: bool = False) -> Snapshot:
        """Take a snapshot of all files."""
        self._check_alive()
        if not end:
            return await self.snapshotter.snapshot(self._link, self.files.any_open)
        self._killed = True
        try:
            return await self.snapshotter.snapshot_at_end()
        finally:
            await self.kill()

    async def exit_snapshot(self) -> Snapshot:
        """The files as they were when the task ended."""
        return await self.snapshotter.exit_snapshot()

    async def snapshot_directory(self, path: str) -> DirectorySnapshot:
        """Take a snapshot of a directory."""
        self._check_alive()
        check_path(path)
        return await self.snapshotter.snapshot_directory(self._link, path)

    async def snapshot_memory(self) -> MemorySnapshot:
        """Take a snapshot of files and processes."""
        self._check_alive()
        assert self.memory is not None  # only a trial of a mode has none
        is_open = self.files.any_open
        snapshot = self.memory.snapshot(
            self._spec, self._link, self.snapshotter, is_open, self.main
        )
        try:
            return await asyncio.wait_for(snapshot, SNAPSHOT_TIMEOUT)
        except asyncio.TimeoutError:
            # Programs can wake themselves, and stop those that work on them.
            await self.kill()
            raise NotFreezable(
                f"the memory snapshot took longer than {SNAPSHOT_TIMEOUT:g} seconds, so the "
                "sandbox was ended: a program in it resists being stopped"
            ) from None

    async def resume(self, spec: ProcessSpec, pid: int) -> dict[str, int]:
        """Have a main process, which is about to be restored with this pid.

        Returns:
            The ends of its pipes that it is to have, by stream.
        """
        self._spec = replace(self._spec, main=spec)
        self.main = process = LocalProcess(self._link)
        return await process.adopt(spec, pid)

    def attach_terminal(self, fds: list[int]) -> None:
        """Give the main process, which was restored, its new terminal."""
        assert self.main is not None
        self.main.attach_terminal(fds)

    async def mount(self, path: str, snapshot: DirectorySnapshot | RootImage | None) -> None:
        """Mount a directory, writable, over another one."""
        self._check_alive()
        check_path(path)
        await self.snapshotter.mount(path, snapshot)

    async def unmount(self, path: str) -> None:
        """Undo the latest `mount` at a path."""
        self._check_alive()
        check_path(path)
        await self.snapshotter.unmount(self._link, path)

    def _lost(self) -> None:
        """There is no agent any more."""
        if not self._killed:  # else the zygote has been told
            self._kill()

    def _check_alive(self) -> None:
        if self._end is not None or self._killed:
            raise TaskEnded("the task has ended")

    def born(self, *, ahead: bool) -> None:
        """It has a PID 1; `ahead` if that was made ahead."""
        self.was_blank = ahead

    @property
    def was_ready(self) -> bool:
        """Whether PID 1 has said that it serves, or is about to: before that, nothing runs."""
        ready = self._link.ready
        return ready.done() and not ready.cancelled() and ready.exception() is None

    def ended(
        self,
        *,
        out_of_memory: bool = False,
        failed: OSError | None = None,
        lost: str = "",
    ) -> None:
        """Nothing of it can run any more.

        Args:
            out_of_memory: the kernel killed a process of it for memory.
            failed: why it could not even be forked.
            lost: why it ended, if neither it nor we wanted that.
        """
        if self._end is not None:
            return
        self.failure = failed
        if failed is not None:
            self._link.fail(BuildFailed(failed))
        # The last message of the agent may tell how the main process ended, and may not be read
        # yet.
        self._link.drain()
        status = self.main.poll() if self.main is not None else None
        self._end = self._judge(status, out_of_memory, lost)
        self._link.task_ended()
        self.files.task_ended()
        self._ports.task_ended()
        self._outlet.task_ended()
        self.snapshotter.release()
        if self.gpus is not None:
            self.gpus.release()
        if self.restoring is not None:
            self.restoring.close()
        self._over.set()

    def gone(self, used: Figures | None) -> None:
        """Nothing of it is left; what it used is known now, or never will be."""
        self._used = used
        self._gone.set()

    def _judge(self, status: ExitStatus | None, out_of_memory: bool, lost: str) -> TaskEnd:
        # The kernel kills by SIGKILL, and maybe a child only: a main process that ended in its own
        # way did not run out of memory.
        if out_of_memory and (status is None or status.signal == signal.SIGKILL):
            limit = self._memory_limit >> 20
            detail = f"the sandbox ran out of memory (its limit is {limit} MiB)"
            return TaskEnd(EndCause.OUT_OF_MEMORY, status, detail)
        if status is not None:
            return TaskEnd(EndCause.EXITED, status)
        if self._killed:
            return TaskEnd(EndCause.KILLED)
        return TaskEnd(EndCause.LOST, detail=lost or self._link.broken or "its agent died")

    async def _exec(self, spec: ProcessSpec, *, main: bool) -> LocalProcess:
        env = {**self._env, **spec.env}
        if spec.pty is not None:
            env.setdefault("TERM", "xterm")
        workdir = spec.workdir or self._spec.workdir or DEFAULT_WORKDIR
        process = LocalProcess(self._link)
        if main:
            self.main = process
        await process.start(spec, env, workdir, main)
        return process
