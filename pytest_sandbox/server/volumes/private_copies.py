"""PrivateCopies: volumes as at Modal, where each sandbox has a copy of what was committed.

What a sandbox writes is in its copy, and goes to the volume when it is committed: by `commit`, by a
reload of that sandbox, and when it ends. What others commit comes into the copy with a reload. Of
two that have changed the same file, the last one to commit wins.
"""

import asyncio
import itertools
import logging
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext, suppress
from dataclasses import field, replace

from pytest_sandbox._shared.lazy_dataclass import dataclass
from pytest_sandbox._shared.tar.header import padding
from pytest_sandbox._shared.tar.member import Member, MemberKind
from pytest_sandbox._shared.tar.writer import END, write
from pytest_sandbox.engine import (
    Engine,
    EngineError,
    EngineUnavailable,
    Entry,
    EntryKind,
    SupportsVolumes,
    VolumeMount,
)

from ..async_helpers import start
from .tar_stream import exactly
from .volume_files import VolumeFiles
from .workers import VolumeWorkers

log = logging.getLogger(__name__)

Tree = dict[str, Entry]

_KINDS = {
    EntryKind.FILE: MemberKind.FILE,
    EntryKind.DIRECTORY: MemberKind.DIRECTORY,
    EntryKind.SYMLINK: MemberKind.SYMLINK,
}


@dataclass(eq=False)
class _Copy:
    """The copy of a volume that one sandbox has.

    Attributes:
        volume: the engine's name of the volume.
        name: the engine's name of the copy.
        base: what was in both when they were last the same.
        alone: whether nothing passes between both any more: the volume was deleted, or never had
            what is in the copy.
    """

    volume: str
    name: str
    base: Tree = field(default_factory=dict)
    alone: bool = False


@dataclass(frozen=True)
class Loss:
    """What could not be committed when a sandbox ended.

    Attributes:
        name: the engine's name of the copy.
        reason: the error.
    """

    name: str
    reason: str


class PrivateCopies:
    """The copies of all sandboxes.

    Args:
        engine: has them as volumes of their own.
        files: reads and writes them.
        workers: the hidden sandboxes for that.
    """

    def __init__(self, engine: Engine, files: VolumeFiles, workers: VolumeWorkers) -> None:
        self._engine = engine
        self._files = files
        self._workers = workers
        self._copies: dict[str, _Copy] = {}
        self._locks: dict[str, asyncio.Lock] = {}
        self._numbers = itertools.count(1)

    def volume_of(self, name: str) -> str:
        """The volume that a copy is of; the name itself if it is no copy."""
        copy = self._copies.get(name)
        return name if copy is None else copy.volume

    async def make(self, mounts: Sequence[VolumeMount]) -> tuple[VolumeMount, ...]:
        """Mounts of copies, made for a new sandbox, instead of those of the volumes."""
        sandbox = next(self._numbers)
        made = {mount.volume: f"{mount.volume}/{sandbox}" for mount in mounts}
        try:
            for volume, name in made.items():
                copy = _Copy(volume, name)
                async with self._lock(volume):
                    self._copies[name] = copy
                    await self._fetch(copy)
        except BaseException:
            for name in self._copies.keys() & made.values():
                self._copies[name].alone = True
            self.end(made.values())
            raise
        return tuple(replace(mount, volume=made[mount.volume]) for mount in mounts)

    async def commit(self, volume: str) -> None:
        """Put into a volume what the sandboxes that have it have changed.

        Raises:
            OSError: the first error of any of them, after all others: `ENOSPC`, it is full.
        """
        errors = []
        # Within it, those are looked for that are there once a sandbox that ends has committed.
        async with self._lock(volume):
            for copy in [copy for copy in self._copies.values() if copy.volume == volume]:
                try:
                    await self._commit(copy)
                except OSError as error:  # noqa: PERF203 - each turn is one sandbox
                    errors.append(error)
        if errors:
            raise errors[0]

    async def reload(self, names: Iterable[str]) -> None:
        """Commit copies, and get into them what others have committed."""
        for name in names:
            copy = self._copies.get(name)
            if copy is not None:
                async with self._lock(copy.volume):
                    if name in self._copies:  # else its sandbox has ended, and it is empty
                        await self._commit(copy)
                        await self._fetch(copy)

    def drop(self, volume: str) -> None:
        """Say that a volume is deleted; sandboxes keep their copies."""
        self._locks.pop(volume, None)
        for copy in self._copies.values():
            copy.alone = copy.alone or copy.volume == volume

    def close(self) -> None:
        """Say that the engine ends, and all volumes with it: nothing is committed any more."""
        for copy in self._copies.values():
            copy.alone = True

    def end(self, names: Iterable[str]) -> "asyncio.Future[list[Loss]]":
        """Commit copies of a sandbox that has ended, and drop them, in the background.

        What cannot be committed is lost, which is logged too: nobody has called for it.
        """
        # Each at once, and not one after another: who asks for one of the volumes from now on has
        # its lock later.
        copies = [self._copies[name] for name in names if name in self._copies]
        return start(_losses([start(self._end(copy)) for copy in copies]))

    async def _end(self, copy: _Copy) -> Loss | None:
        loss = None
        async with self._lock(copy.volume):
            try:
                await self._commit(copy)
            except (OSError, EngineError) as error:
                if not copy.alone:
                    loss = Loss(copy.name, str(error))
                    log.error(
                        "of what a sandbox wrote to volume %s, some is lost: %s", copy.volume, error
                    )
            finally:
                # Not before: the volume may be deleted, or the engine end, meanwhile.
                del self._copies[copy.name]
        self._workers.end(copy.name)
        with suppress(EngineUnavailable):  # its machine is gone, and it is gone with it
            await SupportsVolumes.of(self._engine).forget_volume(copy.name)
        return loss

    def committed(self, volume: str) -> AbstractAsyncContextManager[object]:
        """For a `with` block in which nothing is committed to a volume.

        It begins when sandboxes that have ended by now have committed to it.
        """
        return self._lock(volume)

    def _lock(self, volume: str) -> asyncio.Lock:
        return self._locks.setdefault(volume, asyncio.Lock())

    async def _commit(self, copy: _Copy) -> None:
        if copy.alone:
            return
        new = await self._tree(copy.name)
        await self._transfer(copy.base, new, copy.name, copy.volume)
        copy.base = new

    async def _fetch(self, copy: _Copy) -> None:
        if copy.alone:
            return
        new = await self._tree(copy.volume)
        await self._transfer(copy.base, new, copy.volume, copy.name)
        copy.base = new

    async def _tree(self, volume: str) -> Tree:
        return {entry.path: entry async for entry in self._files.walk(volume, "", recursive=True)}

    async def _transfer(self, old: Tree, new: Tree, source: str, target: str) -> None:
        """Do to one volume what has changed in another one."""
        changed = {
            path
            for path, entry in new.items()
            if path not in old or _state(old[path]) != _state(entry)
        }
        there = await self._tree(target)
        wanted = {path: new[path] for each in changed for path in _on_the_way(each)}
        # Others may have made something else of a name: the last to commit it wins.
        replaced = [
            path
            for path, entry in wanted.items()
            if path in there and there[path].kind is not entry.kind
        ]
        await self._files.discard(target, [path for path in old if path not in new], replaced)
        needed = changed | set(replaced) | (wanted.keys() - there.keys())
        if needed:
            entries = [new[path] for path in sorted(needed)]
            await self._files.unpack(target, self._tar(source, entries))

    async def _tar(self, source: str, entries: Sequence[Entry]) -> AsyncIterator[bytes]:
        for entry in entries:
            kind = _KINDS.get(entry.kind)
            if kind is None:
                continue  # nothing is at the other end of a pipe or a socket
            member = Member(
                entry.path,
                kind,
                mode=entry.mode & 0o7777,
                uid=entry.uid,
                gid=entry.gid,
                mtime_ns=entry.mtime_ns,
                target=entry.symlink_target or "",
            )
            size = entry.size if kind is MemberKind.FILE else 0
            member.size, member.extents = size, [(0, size)] if size else []
            for data in write(member):
                yield data
            if size:
                async for data in exactly(size, self._files.read(source, entry.path, 0, size)):
                    yield data
                yield bytes(padding(size))
        yield END


def committed(copies: PrivateCopies | None, volume: str) -> AbstractAsyncContextManager[object]:
    """As `PrivateCopies.committed`; does nothing if sandboxes have no copies."""
    return nullcontext() if copies is None else copies.committed(volume)


async def _losses(ends: "list[asyncio.Future[Loss | None]]") -> list[Loss]:
    return [loss for end in ends if (loss := await end) is not None]


def _on_the_way(path: str) -> Iterator[str]:
    """A path, and the directories above it."""
    while path:
        yield path
        path = path.rpartition("/")[0]


def _state(entry: Entry) -> tuple[object, ...]:
    """What is there; of two that are equal, the contents are taken to be the same."""
    about = (entry.kind, entry.mode, entry.uid, entry.gid, entry.symlink_target)
    if entry.kind is EntryKind.DIRECTORY:
        return about  # its time changes with what is in it
    return (*about, entry.size, entry.mtime_ns)
