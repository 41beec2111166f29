"""Memory snapshots: sandboxes that can be kept with their processes, and what was kept."""

from __future__ import annotations

import asyncio
import itertools
import os
import secrets
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pytest_sandbox._shared.async_tasks import finish
from pytest_sandbox.engine import (
    EngineUnavailable,
    InvalidSpec,
    MemorySnapshot,
    NotFreezable,
    ProcessSpec,
    Snapshot,
    TaskSpec,
    UnknownImage,
    Unsupported,
)

from ...options import Mode
from ...protocol.criu import (
    DumpedState,
    DumpRequest,
    GivenPipe,
    ProcessesDumped,
    ProcessesRestored,
    RestoreRequest,
)
from ..links.errors import OperationFailed
from ..machine import find_criu, modes
from ..machine.mode_refused import ModeRefused
from .snapshotting import translated

if TYPE_CHECKING:
    from collections.abc import Callable

    from ...options import LocalOptions
    from ..factory import Factory
    from ..links.agent_link import AgentLink
    from ..machine.find_criu import Criu
    from ..process import LocalProcess
    from ..task import LocalTask
    from .images import Images
    from .snapshotting import Keeping

_FEATURE = "memory snapshot"
_TRIAL = TaskSpec(main=ProcessSpec(("/bin/sh", "-c", "read line")), freezable=True)
_NO_ROOT = find_criu.CriuMissing(
    "only root can look at the memory of processes",
    "Run as root, in a container or a virtual machine, say",
)
#: What the images of CRIU may take at least, so that it can say what it wants to.
_LEAST_ROOM = 1 << 20


@dataclass(frozen=True)
class _Main:
    """The main process of a sandbox that was kept.

    Attributes:
        spec: how it was started.
        pid: its number inside.
        pipes: inodes of its pipes that were open, by stream.
        terminal: the number of its terminal, if it has one.
    """

    spec: ProcessSpec
    pid: int
    pipes: dict[str, int]
    terminal: int | None


class _Snapshot:
    """What was kept of a sandbox.

    Args:
        files: of all files.
        images: a descriptor of the folder with what CRIU wrote; owned.
        state: what it takes to use them.
        main: the main process, if there is one.
    """

    def __init__(
        self, files: Snapshot, images: int, state: DumpedState, main: _Main | None
    ) -> None:
        self.files = files
        self.images = images
        self.state = state
        self.main = main

    def drop_layer(self, layer: int) -> None:
        """Let go of the images; a sandbox that is still being made of them has its own hold."""
        os.close(self.images)


class Memory:
    """All that one engine does with memory.

    Sandboxes whose memory can be kept have no user namespace, which is why they have a zygote of
    their own; it is started for the first of them.

    Args:
        options: the engine's settings.
        images: the engine's.
    """

    def __init__(self, options: LocalOptions, images: Images) -> None:
        self._options = options
        self._images = images
        self._criu: find_criu.Criu | None = None
        self._missing = _NO_ROOT
        self._factory: Factory | None = None
        self._starting = asyncio.Lock()
        self._snapshots: dict[MemorySnapshot, tuple[int, _Snapshot]] = {}
        self._numbers = itertools.count(1)
        self._engine = secrets.token_hex(4)  # no other engine has snapshots of our names

    async def look(self) -> find_criu.CriuMissing | None:
        """Find out whether it can be done here, but by no trial yet; why not, if it cannot."""
        if os.geteuid() == 0:
            try:
                self._criu = await asyncio.to_thread(find_criu.find, self._options.criu)
            except find_criu.CriuMissing as missing:
                self._missing = missing
        return None if self._criu else self._missing

    async def trial(self) -> str:
        """Keep and restore a small process; which CRIU did it.

        Raises:
            Unsupported: it does not work here; with the reason.
        """
        criu = self._check()
        await self._ready()
        return f"CRIU {criu.version}, {criu.program}"

    async def create(self, spec: TaskSpec) -> LocalTask:
        """Create a task that can be kept, or one that was.

        Raises:
            UnknownImage: there is no such snapshot.
            Unsupported: this machine cannot do it.
            NotFreezable: CRIU cannot restore it here.
        """
        self._check()
        if spec.volumes:
            raise Unsupported("volumes", "a sandbox whose memory can be kept has none")
        if spec.resume is None:
            return await (await self._ready()).create(spec)
        layer, snapshot = self._find(spec.resume)
        self._images.hold((layer,))
        try:
            return await self._resume(await self._ready(), spec, snapshot)
        finally:
            self._images.release((layer,))

    async def snapshot(
        self,
        spec: TaskSpec,
        link: AgentLink,
        keeping: Keeping,
        is_open: Callable[[], bool],
        main: LocalProcess | None,
    ) -> MemorySnapshot:
        """Keep files and processes of a task."""
        self._check()
        if not spec.freezable:
            raise InvalidSpec(
                "only a sandbox that was created with freezable=True can have its memory kept"
            )
        return await finish(self._snapshot(spec, link, keeping, is_open, main), self.forget)

    def forget(self, snapshot: MemorySnapshot) -> None:
        """Forget a snapshot; an unknown one is fine."""
        if snapshot in self._snapshots:
            layer, stored = self._snapshots.pop(snapshot)
            self._images.release((layer,))
            self._images.forget(stored.files)

    async def close(self) -> None:
        """End every task and release everything."""
        for snapshot in list(self._snapshots):
            self.forget(snapshot)
        async with self._starting:
            if self._factory is not None:
                await self._factory.close()

    def _find(self, snapshot: MemorySnapshot) -> tuple[int, _Snapshot]:
        if snapshot not in self._snapshots:
            raise UnknownImage(
                f"there is no memory snapshot {snapshot.name!r}: it was forgotten, or never was"
            )
        return self._snapshots[snapshot]

    def _check(self) -> Criu:
        if self._criu is None:
            remedy = self._missing.remedy.replace("\n", " ")
            raise Unsupported(_FEATURE, f"{self._missing.reason}. {remedy}")
        return self._criu

    async def _ready(self) -> Factory:
        """What makes sandboxes without a user namespace; started when it is first asked for."""
        async with self._starting:
            if self._factory is None:
                self._factory = await self._start()
        return self._factory

    async def _start(self) -> Factory:
        try:
            factory = await modes.attempt(
                Mode.ROOT_PLAIN, self._options, self._check(), self._images
            )
        except ModeRefused as refusal:
            raise Unsupported(_FEATURE, f"{refusal.reason}. {refusal.remedy}") from refusal
        factory.memory = self
        try:
            await self._try(factory)
        except BaseException:
            await asyncio.shield(factory.close())
            raise
        return factory

    async def _try(self, factory: Factory) -> None:
        """Keep and restore a small process."""
        source = await factory.create(_TRIAL)
        try:
            snapshot = await source.snapshot_memory()
            try:
                copy = await self._resume(factory, _TRIAL, self._find(snapshot)[1])
                await copy.kill()
            finally:
                self.forget(snapshot)
        except NotFreezable as refusal:
            raise Unsupported(_FEATURE, f"CRIU does not work here: {refusal}") from refusal
        finally:
            await source.kill()

    async def _snapshot(
        self,
        spec: TaskSpec,
        link: AgentLink,
        keeping: Keeping,
        is_open: Callable[[], bool],
        main: LocalProcess | None,
    ) -> MemorySnapshot:
        async with keeping.kept(link, is_open, strictly=True) as (files, stopped):
            kept = None
            if main is not None and spec.main is not None:
                kept = _Main(spec.main, main.pid, main.pipes(spec.main), main.terminal)
            try:
                request = DumpRequest(
                    name=keeping.name,
                    room=max(self._images.room, _LEAST_ROOM),
                    pipes=sorted(link.pipes() | set(kept.pipes.values() if kept else ())),
                    stopped=stopped,
                )
                dumped, (images,) = await keeping.operate(request, ProcessesDumped)
            except OSError as error:
                raise translated(error) from error
            except OperationFailed as refusal:
                raise NotFreezable(str(refusal)) from None
        return self._add(_Snapshot(files, images, dumped.state, kept))

    def _add(self, stored: _Snapshot) -> MemorySnapshot:
        layer = self._images.new_layer()
        self._images.made(layer, stored.state.size, stored)
        self._images.hold((layer,))
        snapshot = MemorySnapshot(f"{self._engine}-memory-{next(self._numbers)}")
        self._snapshots[snapshot] = layer, stored
        return snapshot

    async def _resume(self, factory: Factory, spec: TaskSpec, snapshot: _Snapshot) -> LocalTask:
        main = snapshot.main
        wanted = replace(spec, image=snapshot.files, main=None, freezable=True, resume=None)
        task = await factory.create(wanted)
        try:
            ends = {} if main is None else await task.resume(main.spec, main.pid)
            await self._thaw(task, snapshot, ends)
        except BaseException:
            await asyncio.shield(task.kill())
            raise
        return task

    async def _thaw(self, task: LocalTask, snapshot: _Snapshot, ends: dict[str, int]) -> None:
        pipes = {} if snapshot.main is None else snapshot.main.pipes
        fds = (os.dup(snapshot.images), *ends.values())
        terminal = None if snapshot.main is None else snapshot.main.terminal
        masters = [] if terminal is None else [terminal]
        streams = [
            GivenPipe(inode=pipes[name], place=place)
            for place, name in enumerate(ends)
            if name in pipes
        ]
        try:
            request = RestoreRequest(
                name=task.keeping.name, state=snapshot.state, streams=streams, masters=masters
            )
            _, passed = await task.keeping.operate(request, ProcessesRestored, fds)
        except OSError as error:
            raise EngineUnavailable(f"cannot restore the processes: {error}") from error
        except OperationFailed as refusal:
            raise NotFreezable(f"cannot restore the processes: {refusal}") from None
        if terminal is not None:
            task.attach_terminal(passed)
