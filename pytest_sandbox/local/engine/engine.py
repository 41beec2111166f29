"""The engine: what the server holds."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

from pytest_sandbox._shared import machine_size
from pytest_sandbox.engine import (
    OPEN_NETWORK,
    AnySnapshot,
    Capability,
    Clock,
    ConnectionFault,
    Engine,
    EngineInfo,
    EngineUnavailable,
    MemorySnapshot,
    OciImage,
    PackageDatabase,
    Snapshot,
    SupportsConnectionFaults,
    SupportsExport,
    SupportsFlatten,
    SupportsForget,
    SupportsImages,
    SupportsPackages,
    SupportsPrepare,
    SupportsVolumes,
    SystemClock,
    TaskSpec,
    check_connection_fault,
)

from ..options import LocalOptions, Mode
from .images.on_disk import existing_folder, image_store, owners_of, refused
from .links.gateway_link import GatewayLink
from .machine.fingerprint import fingerprint
from .machine.modes import choose
from .machine.usual_limits import usual_limits
from .snapshots.memory_snapshots import LocalMemorySnapshots

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Mapping

    from pytest_sandbox.images import ImageStore

    from .factory import Factory
    from .images.local_images import LocalImages
    from .machine.find_criu import CriuMissing
    from .machine.modes import Choice
    from .machine.packages import Packages
    from .task import LocalTask

_LIMITS = {"memory": Capability.MEMORY_LIMIT, "cpu": Capability.CPU_LIMIT}


class LocalEngine(
    Engine,
    SupportsConnectionFaults,
    SupportsForget,
    SupportsExport,
    SupportsFlatten,
    SupportsImages,
    SupportsPackages,
    SupportsPrepare,
    SupportsVolumes,
):
    """Sandboxes on this machine, made of namespaces by a small process of its own.

    Args:
        options: settings; `None` for the defaults.
        clock: where the server and this engine take the time from.
    """

    def __init__(self, options: LocalOptions | None = None, clock: Clock | None = None) -> None:
        self.clock = clock or SystemClock()
        self._options = options or LocalOptions()
        self._factory: Factory | None = None
        self._memory: LocalMemorySnapshots | None = None
        self._store: ImageStore | None = None
        self._images: LocalImages | None = None
        self._gateway = GatewayLink()

    @property
    def gateway(self) -> GatewayLink:
        """What relays connections out of its sandboxes."""
        return self._gateway

    @property
    def factory(self) -> Factory:
        """What makes the sandboxes.

        Raises:
            EngineUnavailable: the engine is not started, or it is closed.
        """
        if self._factory is None:
            raise EngineUnavailable("the engine is not started, or it is closed")
        return self._factory

    @property
    def image_store(self) -> ImageStore:
        """Where layers of images of registries and archives are.

        Raises:
            EngineUnavailable: the engine is not started, or it is closed.
        """
        if self._store is None:
            raise EngineUnavailable("the engine is not started, or it is closed")
        return self._store

    @property
    def images(self) -> LocalImages:
        """The images of registries and archives.

        Raises:
            EngineUnavailable: the engine is not started, or it is closed.
        """
        if self._store is None:
            raise EngineUnavailable("the engine is not started, or it is closed")
        if self._images is None:
            from .images.local_images import LocalImages  # late: few runs have any

            factory = self.factory
            owners = owners_of(factory.zygote)
            self._images = LocalImages(self._store, factory.zygote, factory.store, owners)
        return self._images

    @property
    def memory(self) -> LocalMemorySnapshots:
        """What takes and restores memory snapshots.

        Raises:
            EngineUnavailable: the engine is not started, or it is closed.
        """
        if self._memory is None:
            raise EngineUnavailable("the engine is not started, or it is closed")
        return self._memory

    async def start(self) -> EngineInfo:
        """Find the strongest mode that works here, by a trial sandbox, and be ready in it.

        Raises:
            EngineUnavailable: no mode works; with each one's reason, and what to do.
        """
        self._store = image_store(os.environ)
        folder = existing_folder(os.environ)
        choice = await choose(self._options, folder)
        factory = self._factory = choice.factory
        factory.gateway = self._gateway
        memory = self._memory = factory.memory = LocalMemorySnapshots(
            self._options, factory.store, self._gateway, folder, factory.clear_ahead
        )
        factory.make_room = memory.make_room
        no_memory = await self._memory.find_criu()
        factory.prepare_first()
        return _info(choice, refused(factory.zygote), no_memory, self._options)

    async def create(self, spec: TaskSpec) -> LocalTask:
        """Create a task and start its main process.

        Raises:
            InvalidSpec, SpawnFailed, StoreFull, Unsupported: and nothing is left behind.
            EngineUnavailable: the engine is closed, or its own processes were killed.
        """
        factory = self.factory
        if spec.freezable or spec.resume is not None:
            return await self.memory.create(spec)
        return await factory.create(spec)

    async def prepare(self, spec: TaskSpec) -> None:
        """Make a sandbox ahead, for a `create` that is likely to come."""
        if not spec.freezable:  # else it is none of this factory's
            self.factory.prepare(spec)

    async def forget(self, snapshot: AnySnapshot) -> None:
        """Forget a snapshot; its storage is freed once nothing depends on it any more."""
        if self._factory is None or self._memory is None:
            return
        if isinstance(snapshot, MemorySnapshot):
            self._memory.forget(snapshot)
        else:
            self._factory.forget(snapshot)

    def frees(self, snapshot: AnySnapshot) -> bool:
        """Whether `forget` would free storage now."""
        return self._factory is None or self._factory.frees(snapshot)

    async def export(
        self, snapshot: Snapshot, *, below: Snapshot | None = None
    ) -> AsyncIterator[bytes]:
        """A snapshot of all files, without the machine's own below it, for `load`.

        Raises:
            InvalidSpec: it was not made from `below`.
            UnknownImage: there is no such snapshot.
        """
        from .snapshots.transfer import export

        factory = self.factory
        async for data in export(factory.zygote, factory.store, snapshot, below):
            yield data

    async def load(
        self, stream: AsyncIterator[bytes], *, below: Snapshot | None = None
    ) -> Snapshot:
        """Make a snapshot of what `export` gave, in this run or another.

        Raises:
            InvalidSpec: it is not that, or it is not whole; nothing is left behind.
            StoreFull: no room for it.
        """
        from .snapshots.transfer import load

        factory = self.factory
        return await load(factory.zygote, factory.store, stream, self.images.stored, below)

    async def flatten(self, snapshot: Snapshot) -> Snapshot:
        """Merge small layers, which lie on one another, into one.

        Raises:
            StoreFull: no room for it.
            UnknownImage: there is no such snapshot.
        """
        from .snapshots.flatten import flatten

        factory = self.factory
        return await flatten(factory.zygote, factory.store, snapshot)

    async def unpack(self, image: OciImage) -> None:
        """Make an image of a registry or an archive ready for sandboxes.

        Raises:
            InvalidSpec: a layer is damaged, or cannot be unpacked here.
            StoreFull: no room for it.
            Unsupported: there can be no such images here.
        """
        await self.images.unpack(image)

    @property
    def has_packages(self) -> bool:
        """Whether this is a machine with packages of Debian."""
        return self._packages.there

    def package_database(self) -> PackageDatabase:
        """A copy of its package database."""
        packages = self._packages

        async def content() -> AsyncIterator[bytes]:
            yield await asyncio.to_thread(packages.tar)

        return PackageDatabase(content(), tuple(packages.hidden_settings()))

    @property
    def _packages(self) -> Packages:
        from .machine.packages import Packages  # late: few builds need any

        return Packages(own_programs=self.factory.image.folders[0].layer == "always")

    async def forget_volume(self, volume: str) -> None:
        """Free a volume; tasks that have it mounted keep it."""
        if self._factory is not None:
            self._factory.forget_volume(volume)

    async def set_fault(self, fault: ConnectionFault) -> None:
        """Set a fault of connections, or change the one with its id."""
        check_connection_fault(fault)
        await self._gateway.set_fault(fault)

    async def fault_counts(self, ids: Collection[str]) -> Mapping[str, tuple[int, int]]:
        """How often faults were met, and fired."""
        return await self._gateway.fault_counts(ids)

    async def clear_faults(self, ids: Collection[str]) -> None:
        """Clear faults."""
        await self._gateway.clear_faults(ids)

    async def close(self) -> None:
        """End every task and release everything."""
        # First, so that no call that comes meanwhile makes another task.
        factory, self._factory = self._factory, None
        memory, self._memory = self._memory, None
        store, self._store = self._store, None
        images, self._images = self._images, None
        if images is not None:
            await images.close()
        # First, since memory snapshots depend on layers in the store of the factory.
        if memory is not None:
            await memory.close()
        if factory is not None:
            await factory.close()
        await self._gateway.close()
        # Last, since what sandboxes use of them must not be removed before.
        if store is not None:
            store.close()


def _info(
    choice: Choice, no_images: str, no_memory: CriuMissing | None, options: LocalOptions
) -> EngineInfo:
    zygote, image = choice.factory.zygote, choice.factory.image
    capabilities = {_LIMITS[name] for name in zygote.controllers if name in _LIMITS}
    details = {f"not used: {mode.value}": no.reason for mode, no in choice.refused.items()}
    details |= {f"no {name} limit": reason for name, reason in zygote.refused.items()}
    details |= choice.factory.restricted_folders
    details["limits"] = usual_limits(options, zygote.controllers)
    if zygote.no_hostname:
        details["no host name"] = zygote.no_hostname
    if no_memory:
        details["no memory snapshot"] = no_memory.reason
    else:
        capabilities.add(Capability.MEMORY_SNAPSHOT)
    factory = choice.factory
    if factory.no_network:
        details["no network"] = details["no sandbox network"] = factory.no_network
    else:
        capabilities |= {Capability.NETWORK, Capability.SANDBOX_NETWORK}
    if factory.gpus.missing:
        details["no GPU"] = factory.gpus.missing
    else:
        capabilities.add(Capability.GPU)
        details["GPUs"] = factory.gpus.origin
    details |= {f"not for GPUs: {path}": reason for path, reason in zygote.no_gpus.items()}
    if no_images:
        details["no image"] = no_images
    else:
        capabilities.add(Capability.IMAGE)
        if zygote.mode is Mode.SINGLE:
            details["owners in images"] = "root has all files, since this mode has a single id"
    if factory.project is not None:
        capabilities.add(Capability.PROJECT)
    else:
        details["no project"] = factory.no_project
    capabilities |= {
        *(Capability.ISOLATION, Capability.PORT, Capability.PTY),
        *(Capability.SNAPSHOT, Capability.VOLUME),
    }
    return EngineInfo(
        "local",
        zygote.mode.value,
        frozenset(capabilities),
        details,
        fingerprint(image, zygote.mode),
        factory.project.path if factory.project is not None else "",
        OPEN_NETWORK if options.network == "open" else None,
        search_path=image.env["PATH"],
        processors=machine_size.processors(),
        memory=machine_size.memory(),
    )
