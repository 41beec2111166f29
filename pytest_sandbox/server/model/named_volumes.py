"""Volumes by name: those of this run, and those of earlier runs where a folder has them."""

import asyncio
from typing import cast

from pytest_sandbox._proto import volumes_pb2 as pb
from pytest_sandbox._shared.on_disk.volume_folder import StoredAbout

from ..volumes.lasting_volumes import LastingVolumes
from .volumes import VolumeRecord, VolumeRegistry


class NamedVolumes:
    """Finds and makes volumes by name.

    Args:
        registry: the volumes of this run.
        lasting: those that outlive it; `None` if none do.
    """

    def __init__(self, registry: VolumeRegistry, lasting: LastingVolumes | None) -> None:
        self._registry = registry
        self._lasting = lasting
        #: Held while a volume is looked up and made, or loaded: each is once.
        self.lock = asyncio.Lock()

    async def find(self, environment: str, name: str) -> VolumeRecord | None:
        """A volume, ready for use; `None` if there is none.

        Raises:
            GRPCError: FAILED_PRECONDITION, another run uses it.
        """
        await self._discover(environment)
        volume = self._registry.named(environment, name)
        if volume is not None:
            await self._load(volume)
        return volume

    async def make(self, environment: str, name: str, version: pb.VolumeFsVersion) -> VolumeRecord:
        """A new volume.

        Raises:
            GRPCError: FAILED_PRECONDITION, another run uses one of that name.
        """
        if self._lasting is None:
            return self._registry.add(name, environment, version)
        stored = await self._lasting.open(environment, name)
        volume = self._registry.add(name, environment, version)
        try:
            await self._lasting.describe(stored, StoredAbout(volume.created_at, version))
            await self._lasting.load(volume.id, stored)
        except BaseException:
            self._registry.remove(volume)
            raise
        return volume

    async def use(self, volume_id: str) -> VolumeRecord:
        """A volume by id, ready for use.

        Raises:
            GRPCError: NOT_FOUND; FAILED_PRECONDITION, another run uses it.
        """
        volume = self._registry.get(volume_id)
        if not volume.loaded:
            async with self.lock:
                await self._load(volume)
        return volume

    async def move(self, volume: VolumeRecord, environment: str, name: str) -> None:
        """Give a volume that is ready for use another name, which is free, or another environment.

        Raises:
            GRPCError: FAILED_PRECONDITION, another run uses one of that name.
        """
        if self._lasting is not None:
            await self._lasting.rename(volume.id, environment, name)
        volume.environment, volume.name = environment, name

    async def listed(self, environment: str) -> list[VolumeRecord]:
        """The volumes with a name, the newest first."""
        await self._discover(environment)
        return self._registry.listed(environment)

    async def _discover(self, environment: str) -> None:
        """Register the stored volumes that are not known yet, and forget those that are gone."""
        if self._lasting is None:
            return
        stored = await asyncio.to_thread(self._lasting.known, environment)
        for volume in self._registry.listed(environment):
            if not volume.loaded and volume.name not in stored:
                self._registry.remove(volume)
        for name, about in stored.items():
            if self._registry.named(environment, name) is None:
                version = cast("pb.VolumeFsVersion", about.version)
                self._registry.add(name, environment, version, created_at=about.created_at)

    async def _load(self, volume: VolumeRecord) -> None:
        if not volume.loaded and self._lasting is not None:
            stored = await self._lasting.open(volume.environment, volume.name)
            await self._lasting.load(volume.id, stored)
            volume.loaded = True
