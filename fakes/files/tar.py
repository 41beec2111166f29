"""Directories as tar streams: links, modes, times to the nanosecond, and holes."""

import errno
import io
import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress

from pytest_sandbox._shared import relative_path
from pytest_sandbox._shared.tar import writer
from pytest_sandbox._shared.tar.member import Member, MemberKind, TarError
from pytest_sandbox._shared.tar.reader import Reader
from pytest_sandbox._shared.tar.unpack import Target
from pytest_sandbox._shared.tar.unpack import unpack as unpack_tar

from .inode import Directory, Inode, Regular, Symlink
from .mounts import Node
from .trees import below
from .vfs import Filesystem
from .walk import fail

_SHOWN = 80

#: What is in them would be the kernel's.
_MADE_UP = ("dev/", "proc/", "sys/")


def pack(fs: Filesystem, path: str) -> Iterator[bytes]:
    """The contents of a directory, names relative to it, in rising order of names."""
    seen: dict[Node, str] = {}
    top = fs.folder(path)
    without = _MADE_UP if top == fs.folder("/") else ()
    for found in below(fs, top):
        if found.path.startswith(without):
            continue
        inode = fs.inode(found.node)
        first = seen.setdefault(found.node, found.path)
        if first != found.path:
            member = _member(inode, found.path, MemberKind.HARD_LINK)
            member.target = first
            yield from writer.write(member)
        elif isinstance(inode, Regular):
            yield from _file(inode, found.path)
        elif isinstance(inode, Directory):
            yield from writer.write(_member(inode, found.path, MemberKind.DIRECTORY))
        elif isinstance(inode, Symlink):
            member = _member(inode, found.path, MemberKind.SYMLINK)
            member.target = inode.target
            yield from writer.write(member)
    yield writer.END


def pack_file(fs: Filesystem, path: str) -> Iterator[bytes]:
    """One file, by its own name; a link is followed."""
    inode = fs.inode(fs.node(path))
    if not isinstance(inode, Regular):
        fail(errno.EISDIR if isinstance(inode, Directory) else errno.EINVAL, path)
    yield from _file(inode, path.rpartition("/")[2])
    yield writer.END


def _file(inode: Regular, path: str) -> Iterator[bytes]:
    member = _member(inode, path, MemberKind.FILE)
    content = inode.content.copy()  # what is written meanwhile does not tear it
    member.size, member.extents = content.size, list(content.extents())
    return writer.write(member, content.read)


def _member(inode: Inode, path: str, kind: MemberKind) -> Member:
    return Member(
        path,
        kind,
        mode=stat.S_IMODE(inode.mode),
        uid=inode.uid,
        gid=inode.gid,
        mtime_ns=inode.mtime_ns,
    )


def unpack(fs: Filesystem, path: str, data: bytes, *, made: bool = False) -> None:
    """Write the members of a tar below a directory; nothing is written anywhere else.

    Args:
        fs: the filesystem.
        path: the directory, which exists.
        data: the tar.
        made: whether the directory was made for this, so that it gets its attributes from the tar.

    Raises:
        OSError: `EINVAL`, it is no tar, or is cut short, or holds what cannot be written below.
    """
    try:
        unpack_tar(Reader(io.BytesIO(data).read), _MemoryTarget(fs, fs.folder(path), made=made))
    except TarError as error:
        raise OSError(errno.EINVAL, f"not a whole tar stream: {error}", path) from None


class _MemoryTarget(Target):
    """A directory in memory.

    Args:
        fs: the filesystem.
        top: the directory.
        made: whether it was made for this.
    """

    def __init__(self, fs: Filesystem, top: Node, *, made: bool) -> None:
        self._fs = fs
        self._top = top
        self._parts: tuple[str, ...] = ()
        self._folders = [top]  # the directories on the way to the entered one, and that
        self._made = {top} if made else set()

    def enter(self, parts: tuple[str, ...], *, make: bool) -> None:
        """Enter a directory."""
        if parts != self._parts:
            self._folders = self._find(parts, make=make)
            self._parts = parts

    @property
    def _folder(self) -> Node:
        return self._folders[-1]

    def _find(self, parts: tuple[str, ...], *, make: bool) -> list[Node]:
        """The directories on the way to one; those on the way to the entered one are known."""
        done = relative_path.shared(self._parts, parts)
        folders = self._folders[: done + 1]
        for part in parts[done:]:
            made = False
            if make:
                with suppress(FileExistsError):
                    self._fs.mkdir(part, 0o755, base=folders[-1])
                    made = True
            folder = self._fs.node(part, base=folders[-1], follow=False)
            if not isinstance(self._fs.inode(folder), Directory):
                fail(errno.ENOTDIR, part)
            if made:
                self._made.add(folder)
            folders.append(folder)
        return folders

    def file(self, name: str, member: Member, contents: Iterable[tuple[int, bytes]]) -> None:
        """Make a regular file."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
        with self._replacing(name) as part:
            handle = self._fs.open(part, flags, 0o600, base=self._folder)
            try:
                for offset, data in contents:
                    handle.pwrite(offset, data)
                handle.truncate(member.size)
            finally:
                handle.close()
            self._attributes(part, member)

    def symlink(self, name: str, member: Member) -> None:
        """Make a symbolic link."""
        with self._replacing(name) as part:
            self._fs.symlink(member.target, part, base=self._folder)
            self._attributes(part, member)

    def hard_link(self, name: str, member: Member, source: tuple[str, ...]) -> None:
        """Make another name of a file."""
        *_, folder = self._find(source[:-1], make=False)
        with self._replacing(name) as part:
            self._fs.link(source[-1], part, base=folder, path_base=self._folder)

    def special(self, name: str, member: Member) -> None:
        """Refuse it."""
        raise TarError(f"{member.name[:_SHOWN]!r} is a device or a pipe")

    def complete(self, member: Member) -> None:
        """Give the entered directory its attributes, unless it was there before."""
        if self._folder in self._made:
            self._attributes(".", member)

    @contextmanager
    def _replacing(self, name: str) -> Iterator[str]:
        """Another name, to make something under that then gets this name, as on a disk."""
        part = f".{os.urandom(16).hex()}"
        try:
            yield part
            self._fs.rename(part, name, base=self._folder)
        finally:
            # After an error; also a rename leaves both names if they are one file's already.
            with suppress(FileNotFoundError):
                self._fs.unlink(part, base=self._folder)

    def _attributes(self, name: str, member: Member) -> None:
        fs, base = self._fs, self._folder
        fs.chown(name, member.uid, member.gid, base=base, follow=False)
        if member.kind is not MemberKind.SYMLINK:
            fs.chmod(name, member.mode, base=base)
        fs.utime(name, member.mtime_ns, member.mtime_ns, base=base, follow=False)
