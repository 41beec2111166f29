"""The Linux engine."""

from __future__ import annotations

import asyncio
import itertools
import os
import socket

from pytest_sandbox.engine import (
    Capability,
    Clock,
    Engine,
    EngineInfo,
    SystemClock,
    Task,
    TaskSpec,
)

from ._agent_link import BuildFailed
from ._image import host_image
from ._options import LocalOptions, Mode
from ._pump import Pump
from ._task import LocalTask
from ._zygote_link import ZygoteLink


class LocalEngine(Engine):
    """Sandboxes on this machine, made of namespaces by a small process of its own.

    Args:
        options: settings.
        clock: where it takes the time from.
    """

    def __init__(self, options: LocalOptions | None = None, clock: Clock | None = None) -> None:
        self.clock = clock or SystemClock()
        self._options = options or LocalOptions()
        self._names = itertools.count(1)
        self._pumps: set[Pump] = set()

    async def start(self) -> EngineInfo:
        """Make the engine ready."""
        mode = self._options.mode or (Mode.ROOT_SHIFTED if os.geteuid() == 0 else Mode.SINGLE)
        self._image = host_image(writable=mode in (Mode.ROOT_SHIFTED, Mode.ROOT_IDENTITY))
        self._zygote = ZygoteLink(mode, self._options, self._image)
        await self._zygote.start()
        return EngineInfo("local", mode.value, frozenset({Capability.PTY}))

    async def create(self, spec: TaskSpec) -> Task:
        """Create a task and start its main process."""
        name = str(next(self._names))
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        env = {**self._image.env, **spec.env}
        task = LocalTask(spec, env, ours, self._pumps, lambda: self._zygote.kill(name))
        fields = {
            "hostname": spec.hostname,
            "workdir": spec.workdir or "/root",
            "processes": spec.limits.processes or self._options.processes,
        }
        self._zygote.create(task, name, theirs, fields)
        try:
            await task.start()
        except BaseException as error:
            await asyncio.shield(task.kill())
            if isinstance(error, BuildFailed):
                raise error.args[0] from None
            raise
        return task

    async def close(self) -> None:
        """End every task and release everything."""
        await self._zygote.close()
        for pump in list(self._pumps):
            await pump.aclose()
