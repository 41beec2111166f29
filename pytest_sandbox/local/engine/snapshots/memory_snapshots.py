"""Memory snapshots: whether they work here, which exist, and sandboxes that can have them."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import secrets
from typing import TYPE_CHECKING

from pytest_sandbox._shared.async_tasks import finish
from pytest_sandbox.engine import (
    EngineUnavailable,
    InvalidSpec,
    MemorySnapshot,
    NotFreezable,
    ProcessSpec,
    StoreFull,
    TaskSpec,
    UnknownImage,
    Unsupported,
)

from ...options import Mode
from ..machine import find_criu, modes
from ..machine.mode_refused import ModeRefused
from ..validate import check_task

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from pytest_sandbox.engine import RootImage

    from ...agents.agent_link import AgentLink
    from ...agents.process import LocalProcess
    from ...options import LocalOptions
    from ..factory import Factory
    from ..links.gateway_link import GatewayLink
    from ..machine.find_criu import Criu
    from ..task import LocalTask
    from .layer_store import LayerStore
    from .restore_helper import RestoreHelper
    from .snapshotter import Snapshotter
    from .stored_memory import StoredMemory

_FEATURE = "memory snapshot"
_TRIAL = TaskSpec(main=ProcessSpec(("/bin/sh", "-c", "read line")), freezable=True)
_NO_ROOT = find_criu.CriuMissing(
    "only root can dump the memory of processes",
    "Run as root, in a container or a virtual machine, say",
)


class LocalMemorySnapshots:
    """Takes memory snapshots of an engine's sandboxes, and restores them.

    Sandboxes that can have them run in no user namespace, so they have a zygote of their own, which
    is started for the first of them.

    Args:
        options: the engine's settings.
        store: the engine's, which counts memory as well.
        gateway: the engine's, which relays connections.
        images: the folder with unpacked layers of images.
        others: ends the other sandboxes of the engine that were made ahead, as `make_room` does.
    """

    def __init__(
        self,
        options: LocalOptions,
        store: LayerStore,
        gateway: GatewayLink,
        images: str,
        others: Callable[[], Awaitable[bool]],
    ) -> None:
        self._images = images
        self._others = others
        self._gateway = gateway
        self._options = options
        self._store = store
        self._criu: find_criu.Criu | None = None
        self._missing = _NO_ROOT
        self._factory: Factory | None = None
        self._starting = asyncio.Lock()
        self._snapshots: dict[MemorySnapshot, tuple[int, StoredMemory]] = {}
        self._numbers = itertools.count(1)
        self._engine = secrets.token_hex(4)  # no other engine has snapshots of our names

    async def find_criu(self) -> find_criu.CriuMissing | None:
        """Find CRIU, without a trial; returns why it cannot be used, if so."""
        if os.geteuid() == 0:
            try:
                self._criu = await asyncio.to_thread(find_criu.find, self._options.criu)
            except find_criu.CriuMissing as missing:
                self._missing = missing
        return None if self._criu else self._missing

    async def trial(self) -> str:
        """Take a snapshot of a small process and restore it; returns which CRIU did it.

        Raises:
            Unsupported: it does not work here; with the reason.
        """
        criu = self._check()
        await self.ready()
        return f"CRIU {criu.version}, {criu.program}"

    async def create(self, spec: TaskSpec) -> LocalTask:
        """Create a task that can have memory snapshots, or one from such a snapshot.

        Raises:
            StoreFull: there is no room for another sandbox.
            UnknownImage: there is no such snapshot.
            Unsupported: this machine cannot do it.
            NotFreezable: CRIU cannot restore it here.
        """
        check_task(spec, {})
        self._check()
        if spec.resume is None:
            return await (await self.ready()).create(spec)
        from .memory_restore import restore  # late: few runs take memory snapshots

        layer, stored = self._find(spec.resume)
        with self._store.depending((layer,)):
            factory = await self.ready()
            try:
                return await restore(factory, spec, stored)
            except StoreFull:
                if not await self.make_room():
                    raise
                return await restore(factory, spec, stored)

    async def snapshot(
        self,
        spec: TaskSpec,
        link: AgentLink,
        snapshotter: Snapshotter,
        is_open: Callable[[], bool],
        main: LocalProcess | None,
    ) -> MemorySnapshot:
        """Take a snapshot of files and processes of a task; arguments as for `dump`.

        Raises:
            InvalidSpec: the task was not created for that.
            NotFreezable, StoreFull, TaskEnded: see `dump`.
        """
        self._check()
        if not spec.freezable:
            raise InvalidSpec(
                "only a sandbox that was created with freezable=True can have memory snapshots"
            )
        work = self._snapshot(spec, link, snapshotter, is_open, main)
        return await finish(work, self.forget)

    def prepare(self, files: RootImage, snapshotter: Snapshotter) -> RestoreHelper | None:
        """Begin to restore processes in a sandbox that was made ahead; `None` if it is not for any.

        Args:
            files: what the sandbox was made from.
            snapshotter: of the sandbox.
        """
        for _, stored in self._snapshots.values():
            if stored.files == files:
                with contextlib.suppress(OSError, EngineUnavailable):  # then it is done later
                    return stored.begin_restore(snapshotter)
        return None

    def forget(self, snapshot: MemorySnapshot) -> None:
        """Forget a snapshot; an unknown one is fine."""
        if snapshot in self._snapshots:
            layer, stored = self._snapshots.pop(snapshot)
            self._store.release((layer,))
            if self._factory is not None:
                self._factory.forget(stored.files)
            else:
                self._store.forget(stored.files)

    async def make_room(self) -> bool:
        """End what was made ahead in the engine; return whether there was any."""
        if self._factory is None:
            return await self._others()
        return any(await asyncio.gather(self._others(), self._factory.clear_ahead()))

    async def close(self) -> None:
        """End every task and release everything."""
        for snapshot in list(self._snapshots):
            self.forget(snapshot)
        async with self._starting:
            if self._factory is not None:
                await self._factory.close()

    async def ready(self) -> Factory:
        """What makes sandboxes without a user namespace; started when it is first asked for.

        Raises:
            Unsupported: it does not work here.
        """
        async with self._starting:
            if self._factory is None:
                self._factory = await self._start()
        return self._factory

    def _find(self, snapshot: MemorySnapshot) -> tuple[int, StoredMemory]:
        if snapshot not in self._snapshots:
            raise UnknownImage(
                f"there is no memory snapshot {snapshot.name!r}: it was forgotten, or never existed"
            )
        return self._snapshots[snapshot]

    def _check(self) -> Criu:
        if self._criu is None:
            remedy = self._missing.remedy.replace("\n", " ")
            raise Unsupported(_FEATURE, f"{self._missing.reason}. {remedy}")
        return self._criu

    async def _start(self) -> Factory:
        criu = self._check()
        try:
            factory = await modes.attempt(
                Mode.ROOT_PLAIN, self._options, criu, self._store, self._images
            )
        except ModeRefused as refusal:
            raise Unsupported(_FEATURE, f"{refusal.reason}. {refusal.remedy}") from refusal
        factory.make_room = self.make_room
        factory.memory = self
        factory.gateway = self._gateway
        try:
            # A version alone tells little: whether CRIU works depends on the kernel's
            # configuration, on capabilities and on security modules.
            await self._try(factory)
            factory.prepare_first()
        except BaseException:
            await asyncio.shield(factory.close())
            raise
        return factory

    async def _try(self, factory: Factory) -> None:
        """Take a snapshot of a small process and restore it."""
        from .memory_restore import restore

        source = await factory.create(_TRIAL)
        try:
            snapshot = await source.snapshot_memory()
            try:
                copy = await restore(factory, _TRIAL, self._find(snapshot)[1])
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
        snapshotter: Snapshotter,
        is_open: Callable[[], bool],
        main: LocalProcess | None,
    ) -> MemorySnapshot:
        from .memory_dump import dump

        stored = await dump(spec, link, snapshotter, is_open, main, self._store.room)
        layer = self._store.new_layer()
        self._store.memory_made(layer, stored.state.size, stored)
        self._store.hold((layer,))
        snapshot = MemorySnapshot(f"{self._engine}-memory-{next(self._numbers)}")
        self._snapshots[snapshot] = layer, stored
        return snapshot
