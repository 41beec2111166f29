"""One sandbox of processes, as the engine sees it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

from pytest_sandbox.engine import (
    Connection,
    EndCause,
    ExitStatus,
    Process,
    ProcessSpec,
    SupportsPorts,
    Task,
    TaskEnd,
    TaskEnded,
    TaskSpec,
    Unsupported,
    check_process,
)
from pytest_sandbox.local.agents.agent_link import AgentLink
from pytest_sandbox.local.agents.errors import BuildFailed
from pytest_sandbox.local.agents.process import LocalProcess

from .files import ProcessFiles
from .keeper.folders import HOME, TEMPORARY
from .ports import ProcessPorts

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from pytest_sandbox.local.agents.pump import Pump


class ProcessTask(Task, SupportsPorts):
    """A sandbox; the keeper's link tells it when no process of it is left.

    Args:
        spec: what was asked for.
        folder: of the task, on this machine.
        search_path: `PATH`, unless the specification has one.
        sock: the engine's end of the socket to the agent.
        pumps: the engine's running pumps.
        kill: tells the keeper to end it.
    """

    def __init__(
        self,
        spec: TaskSpec,
        folder: str,
        search_path: str,
        sock: socket.socket,
        pumps: set[Pump],
        kill: Callable[[], None],
    ) -> None:
        self.main: LocalProcess | None = None
        self.folder = folder
        self.default_workdir = f"{folder}/{HOME}"
        self._env = {
            "PATH": search_path,
            "HOME": self.default_workdir,
            "TMPDIR": f"{folder}/{TEMPORARY}",
            "LANG": "C.UTF-8",
            **spec.env,
        }
        self._spec = spec
        self._kill = kill
        self._link = AgentLink(sock, pumps, self._lost, lambda _: None, lambda: None)
        self.files: ProcessFiles = ProcessFiles(self._link, folder)
        self._ports = ProcessPorts(self._link, folder)
        self._killed = False
        self._end: TaskEnd | None = None
        self._over = asyncio.Event()

    async def start(self) -> None:
        """Return when the agent serves and the main process runs."""
        await self._link.ready
        if self._spec.main is not None:
            self.main = await self._exec(self._spec.main, main=True)

    async def exec(self, spec: ProcessSpec) -> Process:
        """Start a further process."""
        check(spec)
        self._check_alive()
        return await self._exec(spec, main=False)

    async def connect(self, port: int) -> Connection:
        """Connect to a port of the machine that a process of this sandbox listens on."""
        self._check_alive()
        return await self._ports.connect(port)

    def poll(self) -> TaskEnd | None:
        """How it ended, or `None` while it lives."""
        return self._end

    async def wait(self) -> TaskEnd:
        """Return when it ended."""
        await self._over.wait()
        assert self._end is not None
        return self._end

    async def kill(self) -> None:
        """End it and return when no process of it is left."""
        if self._end is None:
            self._killed = True
            self._kill()
            await self._over.wait()

    def started(self, pid: int) -> None:
        """Its agent has this pid."""
        self._ports.agent = pid

    def ended(
        self,
        *,
        failed: OSError | None = None,
        killed: bool = False,
        left: str = "",
        lost: str = "",
    ) -> None:
        """No process of it is left.

        Args:
            failed: why it could not even be started.
            killed: the engine was closed.
            left: why its folder could not be removed; empty if it was.
            lost: why it ended, if neither it nor we wanted that.
        """
        if self._end is not None:
            return
        if failed is not None:
            self._link.fail(BuildFailed(failed))
        # The last message of the agent may tell how the main process ended.
        self._link.drain()
        self._killed = self._killed or killed
        status = self.main.poll() if self.main is not None else None
        end = self._judge(status, lost)
        self._end = replace(end, detail=f"its folder is left: {left}") if left else end
        self._link.task_ended()
        self.files.task_ended()
        self._ports.task_ended()
        self._over.set()

    def _judge(self, status: ExitStatus | None, lost: str) -> TaskEnd:
        if status is not None:
            return TaskEnd(EndCause.EXITED, status)
        if self._killed:
            return TaskEnd(EndCause.KILLED)
        return TaskEnd(EndCause.LOST, detail=lost or self._link.broken or "its agent died")

    def _lost(self) -> None:
        if not self._killed:
            self._kill()

    def _check_alive(self) -> None:
        if self._end is not None or self._killed:
            raise TaskEnded("the task has ended")

    async def _exec(self, spec: ProcessSpec, *, main: bool) -> LocalProcess:
        env = {**self._env, **spec.env}
        if spec.pty is not None:
            env.setdefault("TERM", "xterm")
        workdir = spec.workdir or self._spec.workdir or self.default_workdir
        process = LocalProcess(self._link)
        if main:
            self.main = process
        await process.start(spec, env, workdir, main)
        return process


def check(spec: ProcessSpec) -> None:
    """Refuse a process that cannot be.

    Raises:
        InvalidSpec: no engine could start it.
        Unsupported: this one cannot.
    """
    check_process(spec)
    if spec.user is not None:
        raise Unsupported(
            "user", f"{spec.user.uid}: sandboxes of the engine 'process' have one user each"
        )
