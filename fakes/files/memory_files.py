"""The file operations of the engine contract, on the filesystem in memory."""

import asyncio
import errno
import os
import stat
from collections.abc import AsyncIterator, Callable
from contextlib import suppress

from pytest_sandbox._shared.checks import is_absolute_path, is_root
from pytest_sandbox.engine import (
    Entry,
    EntryKind,
    Files,
    OpenFile,
    TaskEnded,
    WatchEvent,
    WatchKind,
)

from ..condition import Condition
from . import tar
from .changes import Change, ChangeKind, Watching
from .handle import Handle
from .inode import Directory, Inode, Regular, Symlink
from .mounts import TOP
from .names import group_name, user_name
from .trees import empty
from .vfs import Filesystem
from .walk import fail

_UMASK = 0o022
_KINDS = {
    ChangeKind.ACCESS: WatchKind.ACCESS,
    ChangeKind.ATTRIB: WatchKind.MODIFY,
    ChangeKind.CREATE: WatchKind.CREATE,
    ChangeKind.DELETE: WatchKind.REMOVE,
    ChangeKind.MODIFY: WatchKind.MODIFY,
}


class MemoryFile(OpenFile):
    """An open file; `check` raises once the task has ended."""

    def __init__(self, handle: Handle, check: Callable[[], None]) -> None:
        self._handle = handle
        self._check = check

    async def pread(self, offset: int, size: int) -> bytes:
        """Up to `size` bytes at `offset`; empty at the end of the file."""
        self._check()
        return self._handle.pread(offset, size)

    async def pwrite(self, offset: int, data: bytes) -> None:
        """Write all of `data` at `offset`, or at the end if the file is open for appending."""
        self._check()
        self._handle.pwrite(offset, data)

    async def size(self) -> int:
        """Bytes in the file now."""
        self._check()
        self._require_open()
        return self._handle.inode.size

    async def truncate(self, size: int) -> None:
        """Cut or extend the file to `size` bytes."""
        self._check()
        self._require_open()
        self._handle.truncate(size)

    async def close(self) -> None:
        """Release the file; a second close does nothing."""
        self._handle.close()

    def _require_open(self) -> None:
        if self._handle.closed:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))


class MemoryFiles(Files):
    """File operations inside a task.

    Args:
        fs: the files.
    """

    def __init__(self, fs: Filesystem) -> None:
        self._fs = fs
        self._ended = False
        self._watchings: dict[Condition, Watching] = {}

    def end(self) -> None:
        """The task has ended: refuse everything, close every file, end every watch."""
        self._ended = True
        self._fs.mounts.close()
        for condition, watching in self._watchings.items():
            watching.close()
            condition.notify_all()

    async def open(self, path: str, flags: int, mode: int = 0o666) -> OpenFile:
        """Open a regular file; `flags` as `open(2)` has them (`os.O_RDWR | os.O_CREAT`, ...)."""
        self._check(path)
        if flags & (os.O_PATH | os.O_DIRECTORY):  # O_TMPFILE has the bit of O_DIRECTORY too
            fail(errno.EINVAL, path)
        handle = self._fs.open(path, flags, mode & ~_UMASK)
        if not isinstance(handle.inode, Regular):
            directory = isinstance(handle.inode, Directory)
            handle.close()
            fail(errno.EISDIR if directory else errno.EINVAL, path)
        return MemoryFile(handle, self._check_alive)

    async def stat(self, path: str, *, follow: bool = False) -> Entry:
        """Describe a path; the target of a symbolic link if `follow`."""
        self._check(path)
        return self._entry(path, self._fs.lookup(path, follow=follow))

    async def listdir(self, path: str) -> list[Entry]:
        """Describe what a directory holds, sorted by name; a linked directory is followed."""
        self._check(path)
        fs, above = self._fs, path.rstrip("/")
        folder = fs.folder(path)
        return [
            self._entry(f"{above}/{n}", fs.inode(fs.child(folder, n))) for n in fs.names(folder)
        ]

    async def mkdir(self, path: str, *, parents: bool = False) -> None:
        """Make a directory; with `parents` also those above it, and an existing one is fine."""
        self._check(path)
        if not parents:
            self._fs.mkdir(path, 0o777 & ~_UMASK)
            return
        self._make_parents(path)

    def _make_parents(self, path: str) -> None:
        try:
            if isinstance(self._fs.lookup(path), Directory):
                return
        except OSError as error:
            if error.errno == errno.ENAMETOOLONG:
                raise
        folder = TOP
        *above, last = [part for part in path.split("/") if part]
        try:
            # From one to the next: from the top each time, a deep path would take long.
            for name in above:
                with suppress(FileExistsError):
                    self._fs.mkdir(name, 0o777 & ~_UMASK, base=folder)
                folder = self._fs.folder(name, base=folder)
            with suppress(FileExistsError):
                self._fs.mkdir(last, 0o777 & ~_UMASK, base=folder)
        except OSError as error:
            fail(error.errno or errno.EIO, path)
        if not self._is_directory(path):
            fail(errno.EEXIST, path)

    def _is_directory(self, path: str) -> bool:
        try:
            return isinstance(self._fs.lookup(path), Directory)
        except OSError:
            return False

    async def remove(self, path: str, *, recursive: bool = False) -> None:
        """Remove a file, a link (never its target), or a directory: empty, unless `recursive`."""
        self._check(path)
        if is_root(path):
            fail(errno.EBUSY, path)
        node = self._fs.node(path, follow=False)
        if not isinstance(self._fs.inode(node), Directory):
            self._fs.unlink(path)
            return
        if recursive:
            try:
                empty(self._fs, node)
            except OSError as error:  # about a name somewhere below
                fail(error.errno or errno.EIO, path)
        self._fs.rmdir(path)

    async def replace(self, source: str, target: str) -> None:
        """Rename a file over another, whose mode and owner it gets."""
        self._check(source)
        self._check(target)
        with suppress(FileNotFoundError):
            before = self._fs.lookup(target, follow=False)
            if isinstance(before, Regular):
                self._fs.chown(source, before.uid, before.gid, follow=False)
                self._fs.chmod(source, stat.S_IMODE(before.mode))
        self._fs.rename(source, target)

    async def watch(self, path: str, *, recursive: bool = False) -> AsyncIterator[WatchEvent]:
        """Changes to a file or below a directory, from the moment of the first `anext`."""
        self._check(path)
        condition = Condition()
        watching = self._fs.watch(path, recursive=recursive, wake=condition.notify_all)
        self._watchings[condition] = watching
        try:
            while True:
                while watching.queue:
                    change = watching.queue.popleft()
                    if change.kind is ChangeKind.MOVE or change.kind in _KINDS:
                        yield _event(change)
                await condition.wait()
                self._check_alive()
        finally:
            watching.close()
            del self._watchings[condition]

    async def pack(self, path: str, *, file: bool = False) -> AsyncIterator[bytes]:
        """A directory's contents as a tar stream: links, modes, times and holes kept."""
        self._check(path)
        for chunk in tar.pack_file(self._fs, path) if file else tar.pack(self._fs, path):
            yield chunk
            await asyncio.sleep(0)
            self._check_alive()

    async def unpack(self, path: str, stream: AsyncIterator[bytes]) -> None:
        """Write the contents of a tar stream below a directory, which is made if need be."""
        self._check(path)
        made = not self._is_directory(path)
        self._make_parents(path)
        data = b"".join([chunk async for chunk in stream])
        self._check_alive()
        tar.unpack(self._fs, path, data, made=made)

    def _entry(self, path: str, inode: Inode) -> Entry:
        return Entry(
            path=path,
            kind=_kind(inode),
            mode=inode.mode,
            size=inode.size,
            uid=inode.uid,
            gid=inode.gid,
            owner=user_name(self._fs, inode.uid),
            group=group_name(self._fs, inode.gid),
            mtime_ns=inode.mtime_ns,
            symlink_target=inode.target if isinstance(inode, Symlink) else None,
        )

    def _check(self, path: str) -> None:
        self._check_alive()
        if not is_absolute_path(path):
            fail(errno.EINVAL, path)

    def _check_alive(self) -> None:
        if self._ended:
            raise TaskEnded("the sandbox has ended")


def _kind(inode: Inode) -> EntryKind:
    kinds = {
        stat.S_IFREG: EntryKind.FILE,
        stat.S_IFDIR: EntryKind.DIRECTORY,
        stat.S_IFLNK: EntryKind.SYMLINK,
    }
    return kinds.get(stat.S_IFMT(inode.mode), EntryKind.OTHER)


def _event(change: Change) -> WatchEvent:
    if change.kind is not ChangeKind.MOVE:
        assert change.path is not None
        return WatchEvent(_KINDS[change.kind], (change.path,))
    if change.path is None:
        assert change.target is not None
        return WatchEvent(WatchKind.RENAME_TO, (change.target,))
    if change.target is None:
        return WatchEvent(WatchKind.RENAME_FROM, (change.path,))
    return WatchEvent(WatchKind.RENAME, (change.path, change.target))
