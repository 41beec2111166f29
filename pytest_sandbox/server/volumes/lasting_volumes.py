"""LastingVolumes: named volumes that outlive the run, in a folder.

A volume is locked and its files are loaded when this run first uses it. They are saved when it is
committed, when a sandbox that has it ends, and when the run ends.
"""

import asyncio
import errno
import logging
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import IO, Any

from grpclib import GRPCError, Status

from pytest_sandbox._shared.on_disk.volume_folder import (
    StoredAbout,
    StoredVolume,
    VolumeFolder,
    VolumeInUse,
)
from pytest_sandbox.engine import EngineError

from ..async_helpers import closing, start
from .private_copies import PrivateCopies, committed
from .volume_files import VolumeFiles

log = logging.getLogger(__name__)

#: Bytes that the files of one volume may take on disk.
MOST = 8 * 1024**3
_CHUNK = 1024 * 1024
#: Seconds that saving may take when the run ends; an engine process has a few more to end.
_LAST_SAVE = 5.0


class LastingVolumes:
    """The volumes of a folder that this run uses, by the engine's name of each.

    Args:
        path: of the folder.
        files: loads and saves their files.
        copies: to commit before, if sandboxes have copies.
        most: bytes that each may take on disk.
    """

    def __init__(
        self,
        path: Path,
        files: VolumeFiles,
        copies: PrivateCopies | None = None,
        most: int = MOST,
    ) -> None:
        self._folder = VolumeFolder(path)
        self._files = files
        self._copies = copies
        self._most = most
        self._stored: dict[str, StoredVolume] = {}
        self._saving: dict[str, asyncio.Lock] = {}
        self._changed: set[str] = set()

    def known(self, environment: str) -> dict[str, StoredAbout]:
        """The volumes of an environment that there are, by name. Blocks."""
        return {
            name: about for stored, name, about in self._folder.known() if stored == environment
        }

    def changed(self, volume: str) -> None:
        """Save a volume at the end of the run, if it is not saved before."""
        self._changed.add(volume)

    async def open(self, environment: str, name: str) -> StoredVolume:
        """Lock a volume.

        Raises:
            GRPCError: FAILED_PRECONDITION, another run uses it, or the folder cannot be used.
        """
        try:
            return await asyncio.to_thread(self._folder.open, environment, name)
        except VolumeInUse as error:
            raise GRPCError(Status.FAILED_PRECONDITION, str(error)) from None
        except OSError as error:
            raise GRPCError(
                Status.FAILED_PRECONDITION, f"Volume {name!r} cannot be stored: {error}"
            ) from error

    async def load(self, volume: str, stored: StoredVolume) -> None:
        """Put the stored files into a new volume of the engine.

        Raises:
            GRPCError: FAILED_PRECONDITION, they are damaged.
        """
        tar = await asyncio.to_thread(stored.files)
        if tar is not None:
            try:
                await self._files.unpack(volume, _chunks(tar))
            except OSError as error:
                stored.close()
                raise GRPCError(
                    Status.FAILED_PRECONDITION,
                    f"the stored files of a volume cannot be loaded: {error}",
                ) from error
            except BaseException:
                stored.close()
                raise
            finally:
                tar.close()
        self._stored[volume] = stored
        self._saving[volume] = asyncio.Lock()

    async def describe(self, stored: StoredVolume, about: StoredAbout) -> None:
        """Store what is known of a volume."""
        await asyncio.to_thread(stored.describe, about)

    async def save(self, volume: str) -> None:
        """Save the files of a volume, if it is one of these.

        Raises:
            OSError: no room for them on the disk, or more than the limit.
        """
        if volume not in self._stored:
            return
        async with self._saving[volume]:
            stored = self._stored.get(volume)
            if stored is None:
                return  # it was deleted meanwhile
            self._changed.discard(volume)
            try:
                with stored.replacing("files.tar") as file:
                    await self._write(volume, file)
            except BaseException:
                self._changed.add(volume)
                raise

    async def _write(self, volume: str, file: IO[bytes]) -> None:
        size = 0
        async with (
            committed(self._copies, volume),
            closing(self._files.pack(volume)) as chunks,
        ):
            async for data in chunks:
                size += len(data)
                if size > self._most:
                    raise OSError(errno.EFBIG, f"a volume may take {self._most} bytes on disk")
                await asyncio.to_thread(file.write, data)

    def save_soon(self, volumes: list[str], committed: "asyncio.Future[Any] | None" = None) -> None:
        """Save the files of volumes in the background.

        Args:
            volumes: the engine's names of them.
            committed: done when they have the files, if that takes a while.
        """
        for volume in volumes:
            if volume in self._stored:
                self._changed.add(volume)
                start(self._save_when(volume, committed))

    async def _save_when(self, volume: str, committed: "asyncio.Future[Any] | None") -> None:
        if committed is not None:
            await asyncio.wait([committed])
        await self._save_or_log(volume)

    async def remove(self, volume: str) -> None:
        """Remove a volume from the folder, if it is one of these."""
        stored = self._stored.pop(volume, None)
        if stored is not None:
            async with self._saving.pop(volume):
                await asyncio.to_thread(stored.remove)

    async def rename(self, volume: str, environment: str, name: str) -> None:
        """Store a volume under another name, if it is one of these.

        Raises:
            GRPCError: FAILED_PRECONDITION, another run uses that name.
        """
        if volume in self._stored:
            other = await self.open(environment, name)
            async with self._saving[volume]:
                await asyncio.to_thread(self._stored[volume].move, other)
                self._stored[volume] = other

    async def close(self, in_use: Iterable[str]) -> None:
        """Save the volumes that have changed, and release all.

        Args:
            in_use: those that programs may be writing to.
        """
        try:
            for volume in {*self._changed, *in_use}:
                if self._copies is not None:
                    await asyncio.wait_for(self._copies.commit(volume), _LAST_SAVE)
                await asyncio.wait_for(self._save_or_log(volume), _LAST_SAVE)
        except asyncio.TimeoutError:
            log.error("volumes were not saved: that took more than %g seconds", _LAST_SAVE)
        for stored in self._stored.values():
            stored.close()
        self._stored.clear()

    async def _save_or_log(self, volume: str) -> None:
        try:
            await self.save(volume)
        except (OSError, EngineError) as error:
            log.error("the volume %s was not saved: %s", volume, error)


async def _chunks(file: IO[bytes]) -> AsyncIterator[bytes]:
    while data := await asyncio.to_thread(file.read, _CHUNK):
        yield data
