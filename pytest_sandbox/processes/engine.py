"""The engine: what the server holds."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import itertools
import os
import socket
import sys
import time
from typing import TYPE_CHECKING

from pytest_sandbox._shared import machine_size
from pytest_sandbox.engine import (
    DEFAULT_PATH,
    Capability,
    Clock,
    Engine,
    EngineInfo,
    EngineUnavailable,
    StoreFull,
    SystemClock,
    TaskEnded,
    TaskSpec,
)
from pytest_sandbox.local.agents.errors import BuildFailed

from . import report, run_folder
from .keeper.folders import TaskFolders
from .keeper.messages import KeeperSetup, StartAgentRequest
from .link import KeeperLink
from .options import NAME, ProcessOptions
from .task import ProcessTask
from .validate import check_task

if TYPE_CHECKING:
    from pytest_sandbox.local.agents.pump import Pump

#: Seconds in which agents end whose keeper was killed.
_PATIENCE = 5.0
_NO_ROOM = frozenset({errno.EAGAIN, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOSPC})


class ProcessEngine(Engine):
    """Sandboxes that are processes of this machine, and do not isolate from it.

    Args:
        options: settings; `None` for the defaults.
        clock: where the server and this engine take the time from.
    """

    def __init__(self, options: ProcessOptions | None = None, clock: Clock | None = None) -> None:
        self.clock = clock or SystemClock()
        self._options = options or ProcessOptions()
        self._keeper: KeeperLink | None = None
        self._folder = ""
        self._names = itertools.count(1)
        self._pumps: set[Pump] = set()

    @property
    def keeper(self) -> int:
        """The pid of the keeper.

        Raises:
            EngineUnavailable: the engine is not started, or it is closed.
        """
        return self._started().pid

    async def start(self) -> EngineInfo:
        """Start the keeper.

        Raises:
            EngineUnavailable: it cannot keep sandboxes here.
        """
        search_path = self._search_path()
        self._folder = folder = run_folder.make()
        self._keeper = keeper = KeeperLink()
        options = self._options
        setup = KeeperSetup(folder=folder, landlock=options.landlock, ports=list(options.connect))
        try:
            ready = await keeper.start(setup)
            await self._try_one()
        except BaseException as error:
            await self.close()
            if isinstance(error, OSError):
                raise EngineUnavailable(f"its keeper cannot be started: {error}") from error
            raise
        return EngineInfo(
            NAME,
            report.mode(ready),
            frozenset({Capability.PORT, Capability.PTY}),
            report.details(ready, options),
            search_path=search_path,
            processors=machine_size.processors(),
            memory=machine_size.memory(),
        )

    async def create(self, spec: TaskSpec) -> ProcessTask:
        """Create a task and start its main process; leaves nothing behind if that fails."""
        keeper = self._started()
        check_task(spec)
        try:
            return await self._create(spec, keeper)
        except (BuildFailed, OSError) as failure:
            reason = failure.reason if isinstance(failure, BuildFailed) else failure
            if reason.errno in _NO_ROOM:
                raise StoreFull(f"no room for another sandbox: {reason.strerror}") from failure
            raise EngineUnavailable(f"a sandbox could not be started: {reason}") from failure
        except TaskEnded as failure:
            raise EngineUnavailable("a sandbox was killed while it was started") from failure

    async def close(self) -> None:
        """End every task and release everything."""
        keeper, self._keeper = self._keeper, None
        if keeper is None:
            return
        await keeper.close()
        for pump in list(self._pumps):
            await pump.aclose()
        await asyncio.to_thread(_remove, self._folder)

    def _started(self) -> KeeperLink:
        if self._keeper is None:
            raise EngineUnavailable("the engine is not started, or it is closed")
        return self._keeper

    async def _create(self, spec: TaskSpec, keeper: KeeperLink) -> ProcessTask:
        name = next(self._names)
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            task = ProcessTask(
                *(spec, f"{self._folder}/{name}", self._search_path(), ours, self._pumps),
                lambda: keeper.end(name),
            )
            processes = spec.limits.processes or self._options.processes
            self._ask_for(task, keeper, StartAgentRequest(name=name, processes=processes), theirs)
        finally:
            theirs.close()
        try:
            await task.start()
        except BaseException:
            # Whoever cancels this call must not cut the end of the sandbox short.
            await asyncio.shield(task.kill())
            raise
        return task

    @staticmethod
    def _ask_for(
        task: ProcessTask, keeper: KeeperLink, request: StartAgentRequest, sock: socket.socket
    ) -> None:
        try:
            keeper.create(task, request, sock)
        except EngineUnavailable:
            task.ended(lost="never started")
            raise

    async def _try_one(self) -> None:
        task = await self.create(TaskSpec())
        await task.kill()

    @staticmethod
    def _search_path() -> str:
        """The folder of the running Python, and the standard ones."""
        folder = os.path.join(os.path.realpath(sys.prefix), "bin")
        return DEFAULT_PATH if folder in DEFAULT_PATH.split(":") else f"{folder}:{DEFAULT_PATH}"


def _remove(folder: str) -> None:
    """Remove what a keeper that was killed has left; its agents may still be ending."""
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        with contextlib.suppress(FileNotFoundError):
            TaskFolders(folder).remove_all()
            time.sleep(0.05)
            continue
        return
