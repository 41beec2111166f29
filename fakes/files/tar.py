"""Directories as tar streams: links, modes, times to the nanosecond, and holes."""

import errno
import io
import os
import posixpath
import stat
import tarfile
from collections.abc import Iterator
from typing import NoReturn

from .inode import Directory, Inode, Regular, Symlink
from .mounts import Node
from .trees import below
from .vfs import Filesystem

_CHUNK = 1024 * 1024
_BLOCK = tarfile.BLOCKSIZE


def pack(fs: Filesystem, path: str) -> Iterator[bytes]:
    """The contents of a directory, names relative to it, in rising order of names."""
    seen: dict[Node, str] = {}
    for found in below(fs, fs.folder(path)):
        first = seen.setdefault(found.node, found.path)
        yield from _pack_one(fs.inode(found.node), found.path, first)
    yield bytes(2 * _BLOCK)


def _pack_one(inode: Inode, path: str, first: str) -> Iterator[bytes]:
    if first != path:
        info = _info(inode, path)
        info.type, info.linkname = tarfile.LNKTYPE, first
        yield _header(info)
    elif isinstance(inode, Regular):
        yield from _pack_file(inode, path)
    elif isinstance(inode, (Directory, Symlink)):
        yield _header(_info(inode, path))


def _pack_file(inode: Regular, path: str) -> Iterator[bytes]:
    info = _info(inode, path)
    content = inode.content.copy()  # what is written meanwhile does not tear it
    extents = list(content.extents())
    sparse_map = b""
    if sum(size for _, size in extents) < content.size:
        extents.append((content.size, 0))
        numbers = [len(extents), *(number for extent in extents for number in extent)]
        sparse_map = _padded(b"".join(b"%d\n" % number for number in numbers))
        info.pax_headers = {
            **info.pax_headers,
            "GNU.sparse.major": "1",
            "GNU.sparse.minor": "0",
            "GNU.sparse.name": path,
            "GNU.sparse.realsize": str(content.size),
        }
    info.size = len(sparse_map) + sum(size for _, size in extents)
    yield _header(info) + sparse_map
    for start, size in extents:
        for offset in range(start, start + size, _CHUNK):
            yield content.read(offset, min(_CHUNK, start + size - offset))
    if info.size % _BLOCK:
        yield bytes(_BLOCK - info.size % _BLOCK)


def _info(inode: Inode, path: str) -> tarfile.TarInfo:
    info = tarfile.TarInfo(path)
    info.mode = stat.S_IMODE(inode.mode)
    info.uid, info.gid = inode.uid, inode.gid
    seconds, nanoseconds = divmod(inode.mtime_ns, 10**9)
    info.mtime = seconds
    if nanoseconds:
        info.pax_headers = {"mtime": f"{seconds}.{nanoseconds:09d}"}
    if isinstance(inode, Directory):
        info.type = tarfile.DIRTYPE
    if isinstance(inode, Symlink):
        info.type, info.linkname = tarfile.SYMTYPE, inode.target
    return info


def _header(info: tarfile.TarInfo) -> bytes:
    return info.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % _BLOCK)


def unpack(fs: Filesystem, path: str, data: bytes) -> None:
    """Write the members of a tar below a directory; nothing is written anywhere else.

    Raises:
        OSError: `EINVAL`, it is no tar, or is cut short, or holds what cannot be written below.
    """
    top = fs.folder(path)
    late: list[tuple[str, tarfile.TarInfo]] = []
    try:
        with tarfile.open(
            fileobj=io.BytesIO(data), mode="r:", encoding="utf-8", errors="surrogateescape"
        ) as archive:
            for info in archive:
                _Member(fs, top, info, data).write(late)
    except tarfile.TarError as error:
        raise OSError(errno.EINVAL, f"this is not a whole tar: {error}", path) from None
    for name, info in reversed(late):
        _attributes(fs, top, name, info)


class _Member:
    """One member, on its way into the filesystem."""

    def __init__(self, fs: Filesystem, top: Node, info: tarfile.TarInfo, data: bytes) -> None:
        self._fs = fs
        self._top = top
        self._info = info
        self._data = data
        self._name = self._relative(info.name)

    def write(self, late: list[tuple[str, tarfile.TarInfo]]) -> None:
        """Make it; what a directory's attributes are is set last."""
        info, name, fs = self._info, self._name, self._fs
        if name in ("", "."):
            late.append((".", info))
            return
        self._parents(name)
        existing = self._existing(name)
        if info.isdir():
            if not isinstance(existing, Directory):
                self._remove(existing)
                fs.mkdir(name, 0o755, base=self._top)
            late.append((name, info))
            return
        self._remove(existing)
        if info.issym():
            fs.symlink(info.linkname, name, base=self._top)
        elif info.islnk():
            source = self._relative(info.linkname)
            self._parents(source)
            fs.link(source, name, base=self._top)
            return
        elif info.isreg():
            self._write_file()
        else:
            self._refuse("a device, a fifo or a socket")
        _attributes(fs, self._top, name, info)

    def _write_file(self) -> None:
        info = self._info
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
        handle = self._fs.open(self._name, flags, 0o600, base=self._top)
        try:
            position = info.offset_data
            # The stubs know of no `sparse`: where the data of a file with holes belongs.
            extents: list[tuple[int, int]] | None = getattr(info, "sparse", None)
            for offset, size in extents or [(0, info.size)]:
                handle.pwrite(offset, self._data[position : position + size])
                position += size
            handle.truncate(info.size)
        finally:
            handle.close()

    def _parents(self, name: str) -> None:
        """Make what is above, and refuse to go through a link."""
        above = ""
        for part in name.split("/")[:-1]:
            above = posixpath.join(above, part)
            existing = self._existing(above)
            if existing is None:
                self._fs.mkdir(above, 0o755, base=self._top)
            elif not isinstance(existing, Directory):
                self._refuse(f"{above!r} is not a directory")

    def _existing(self, name: str) -> Inode | None:
        try:
            return self._fs.lookup(name, base=self._top, follow=False)
        except FileNotFoundError:
            return None

    def _remove(self, existing: Inode | None) -> None:
        if isinstance(existing, Directory):
            self._fs.rmdir(self._name, base=self._top)
        elif existing is not None:
            self._fs.unlink(self._name, base=self._top)

    def _relative(self, name: str) -> str:
        parts = [part for part in name.split("/") if part not in ("", ".")]
        if ".." in parts or name.startswith("/"):
            self._refuse("it leads out of the directory")
        return "/".join(parts)

    def _refuse(self, why: str) -> NoReturn:
        raise OSError(
            errno.EINVAL, f"the tar holds what cannot be unpacked: {why}", self._info.name
        )


def _attributes(fs: Filesystem, top: Node, name: str, info: tarfile.TarInfo) -> None:
    fs.chown(name, info.uid, info.gid, base=top, follow=False)
    if not info.issym():
        fs.chmod(name, info.mode, base=top)
    when = _mtime_ns(info)
    fs.utime(name, when, when, base=top, follow=False)


def _mtime_ns(info: tarfile.TarInfo) -> int:
    exact = info.pax_headers.get("mtime")
    if exact is None:
        return int(info.mtime) * 10**9
    seconds, _, fraction = exact.partition(".")
    nanoseconds = int(fraction[:9].ljust(9, "0"))
    return int(seconds) * 10**9 + (-nanoseconds if seconds.startswith("-") else nanoseconds)
