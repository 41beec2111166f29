"""VolumeFiles: what can be done with the files of a volume."""

import errno
import os
import stat
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager

from pytest_sandbox._shared import relative_path
from pytest_sandbox.engine import Clock, Entry, EntryKind, Files

from ..async_helpers import closing
from .tar_stream import NewFile, tar_stream
from .workers import ROOT, VolumeWorkers

#: Bytes read at a time.
CHUNK = 1024 * 1024

Parts = tuple[str, ...]


class VolumeFiles:
    """The files of volumes, by paths relative to the root of each.

    A path may begin with a slash. No symbolic link is followed: one on the way to a file is
    `ENOTDIR`, one at its end `ELOOP`. Errors are `OSError`, with the path as it was given, or
    `ValueError` for a path that would lead out of the volume.

    Args:
        workers: the sandboxes that do the work.
        clock: the engine's, for the times of new files.
    """

    def __init__(self, workers: VolumeWorkers, clock: Clock) -> None:
        self._workers = workers
        self._clock = clock

    async def walk(self, volume: str, path: str, *, recursive: bool) -> AsyncIterator[Entry]:
        """What a directory holds, sorted by name; a directory comes before what is in it.

        Args:
            volume: its name for the engine.
            path: a directory; of anything else, only the entry for itself comes.
            recursive: whether to enter directories.
        """
        async with self._files(volume) as files:
            top = await _entry(files, path)
            if top.kind is not EntryKind.DIRECTORY:
                yield _shown(top)
                return
            pending = list(reversed(await _listed(files, top.path)))
            while pending:
                entry = pending.pop()
                yield _shown(entry)
                if recursive and entry.kind is EntryKind.DIRECTORY:
                    pending += reversed(await _listed(files, entry.path))

    async def size(self, volume: str, path: str) -> int:
        """Bytes of a regular file.

        Raises:
            OSError: `EISDIR` for a directory, `EINVAL` for what has no content.
        """
        async with self._files(volume) as files:
            return (await _regular(files, path)).size

    async def read(
        self, volume: str, path: str, start: int = 0, size: int | None = None
    ) -> AsyncIterator[bytes]:
        """Bytes of a regular file, some at a time.

        Args:
            volume: its name for the engine.
            path: of the file.
            start: where to begin.
            size: how many at most; all there are, if not given.
        """
        async with self._files(volume) as files:
            entry = await _regular(files, path)
            async with closing(_read(files, entry, start, size)) as chunks:
                async for data in chunks:
                    yield data

    async def write(self, volume: str, new: Sequence[NewFile], *, replace: bool) -> None:
        """Write files, with the directories above them.

        Args:
            volume: its name for the engine.
            new: the files.
            replace: whether files may be there already; a directory may not.

        Raises:
            OSError: `EEXIST`, and nothing was written; `ENOSPC`, and the first ones may be there.
        """
        async with self._files(volume) as files:
            for file in new:
                await _check_place(files, file.path, replace=replace)
            # The sandbox writes a file beside its name and then gives it that name, so nobody
            # sees a part of it.
            await self._unpack(files, new)

    async def _unpack(self, files: Files, new: Sequence[NewFile]) -> None:
        try:
            await files.unpack(ROOT, tar_stream(new, self._clock.now()))
        except OSError as error:
            if error.errno == errno.EINVAL:  # a link where a directory should be: of a race
                raise NotADirectoryError(errno.ENOTDIR, error.strerror, error.filename) from error
            raise

    async def pack(self, volume: str) -> AsyncIterator[bytes]:
        """All files as a tar, for `unpack`."""
        async with self._files(volume) as files, closing(files.pack(ROOT)) as chunks:
            async for data in chunks:
                yield data

    async def unpack(self, volume: str, tar: AsyncIterator[bytes]) -> None:
        """Write the files of a tar of `pack`.

        Raises:
            OSError: `EINVAL`, it is none.
        """
        async with self._files(volume) as files:
            await files.unpack(ROOT, tar)

    async def remove(self, volume: str, path: str, *, recursive: bool) -> None:
        """Remove a file, or a directory with all that is in it.

        Raises:
            OSError: `EISDIR`, a directory without `recursive`; `EBUSY`, the volume itself.
        """
        async with self._files(volume) as files:
            entry = await _entry(files, path)
            if entry.path == ROOT:
                raise OSError(errno.EBUSY, "the root of a volume is not removed", path)
            if entry.kind is EntryKind.DIRECTORY and not recursive:
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
            await files.remove(entry.path, recursive=recursive)

    async def discard(self, volume: str, gone: Sequence[str], replaced: Sequence[str]) -> None:
        """Remove what is there of some paths.

        Args:
            volume: its name for the engine.
            gone: what was removed elsewhere; of directories, only those that are empty by then.
            replaced: what something of another kind takes the place of.
        """
        async with self._files(volume) as files:
            for path in [*sorted(gone, reverse=True), *replaced]:
                try:
                    await files.remove((await _entry(files, path)).path, recursive=path in replaced)
                except OSError as error:  # noqa: PERF203 - each turn is one path
                    if error.errno not in (errno.ENOENT, errno.ENOTDIR, errno.ENOTEMPTY):
                        raise

    async def copy(
        self, volume: str, sources: Sequence[str], target: str, *, recursive: bool
    ) -> None:
        """Copy files as cp(1) does: into a directory if `target` is one, else to that name.

        Symbolic links and files without content, as pipes are, are left out of directories.

        Raises:
            OSError: `EISDIR`, a directory without `recursive`; `ENOTDIR`, several sources and a
                target that is no directory; `EINVAL`, a directory into itself.
        """
        async with self._files(volume) as files:
            into = await _is_directory(files, target)
            if len(sources) != 1 and not into:
                raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), target)
            new: list[NewFile] = []
            for source in sources:
                entry = await _entry(files, source)
                to = (*_parts(target), entry.name) if into else _parts(target)
                if entry.kind is EntryKind.DIRECTORY:
                    if not recursive:
                        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), source)
                    if to[: len(_parts(source))] == _parts(source):
                        raise OSError(errno.EINVAL, "it would be copied into itself", source)
                    new += [file async for file in _tree(files, entry, to)]
                else:
                    await _regular(files, source)
                    new.append(_copied(files, entry, to))
            for file in new:
                if file.content is not None:
                    await _check_place(files, file.path, replace=True)
            await self._unpack(files, new)

    @asynccontextmanager
    async def _files(self, volume: str) -> AsyncIterator[Files]:
        with _errors_name_paths_in_the_volume():
            async with self._workers.files(volume) as files:
                yield files


@contextmanager
def _errors_name_paths_in_the_volume() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno is None:
            raise
        about = str(error.filename or "")
        if about == ROOT or about.startswith(f"{ROOT}/"):
            about = about[len(ROOT) + 1 :] or "/"
        raise OSError(error.errno, error.strerror, about) from error


def _parts(path: str) -> Parts:
    return relative_path.parts(path.lstrip("/"))


def _inside(parts: Parts) -> str:
    return "/".join((ROOT, *parts))


def _shown(entry: Entry) -> Entry:
    """The entry, with its path in the volume: relative, as Modal has it."""
    return Entry(**{**vars(entry), "path": entry.path[len(ROOT) + 1 :]})


async def _entry(files: Files, path: str) -> Entry:
    """The entry at a path; what leads to it are directories, not links to some."""
    parts = _parts(path)
    try:
        for depth in range(1, len(parts)):
            above = _inside(parts[:depth])
            if (await files.stat(above)).kind is not EntryKind.DIRECTORY:
                raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), path)
        return await files.stat(_inside(parts))
    except FileNotFoundError as error:
        raise FileNotFoundError(errno.ENOENT, error.strerror, path) from error


async def _listed(files: Files, path: str) -> list[Entry]:
    try:
        return await files.listdir(path)
    except (FileNotFoundError, NotADirectoryError):
        return []  # it was removed meanwhile


async def _is_directory(files: Files, path: str) -> bool:
    try:
        return (await _entry(files, path)).kind is EntryKind.DIRECTORY
    except FileNotFoundError:
        return False


async def _regular(files: Files, path: str) -> Entry:
    entry = await _entry(files, path)
    if entry.kind is EntryKind.FILE:
        return entry
    number = {EntryKind.DIRECTORY: errno.EISDIR, EntryKind.SYMLINK: errno.ELOOP}.get(
        entry.kind, errno.EINVAL
    )
    raise OSError(number, os.strerror(number), path)


async def _check_place(files: Files, path: str, *, replace: bool) -> None:
    if not _parts(path):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
    try:
        entry = await _entry(files, path)
    except FileNotFoundError:
        return
    if entry.kind is EntryKind.DIRECTORY or not replace:
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), path)


async def _read(files: Files, entry: Entry, start: int, size: int | None) -> AsyncIterator[bytes]:
    file = await files.open(entry.path, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        end = None if size is None else start + size
        while data := await file.pread(start, CHUNK if end is None else min(CHUNK, end - start)):
            yield data
            start += len(data)
    finally:
        await file.close()


def _copied(files: Files, entry: Entry, to: Parts) -> NewFile:
    def content() -> AsyncIterator[bytes]:
        return _read(files, entry, 0, entry.size)

    return NewFile("/".join(to), stat.S_IMODE(entry.mode), entry.size, content)


async def _tree(files: Files, top: Entry, to: Parts) -> AsyncIterator[NewFile]:
    """The copies of a directory and of what is in it."""
    pending = [(top, to)]
    while pending:
        entry, place = pending.pop()
        if entry.kind is EntryKind.DIRECTORY:
            yield NewFile("/".join(place), stat.S_IMODE(entry.mode))
            pending += [(each, (*place, each.name)) for each in await _listed(files, entry.path)]
        elif entry.kind is EntryKind.FILE:
            yield _copied(files, entry, place)
