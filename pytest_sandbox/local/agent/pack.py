"""Directories as tar streams: links, modes, owners, times to the nanosecond, and holes.

Written as POSIX pax archives; holes as GNU tar's sparse format 1.0, which `tar` and Python read.
"""

from __future__ import annotations

import errno
import os
import stat
import tarfile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import IO

    from ..wire import Message

_BLOCK = tarfile.BLOCKSIZE
_CHUNK = 256 * 1024
_KINDS = {
    stat.S_IFREG: tarfile.REGTYPE,
    stat.S_IFDIR: tarfile.DIRTYPE,
    stat.S_IFLNK: tarfile.SYMTYPE,
    stat.S_IFIFO: tarfile.FIFOTYPE,
    stat.S_IFCHR: tarfile.CHRTYPE,
    stat.S_IFBLK: tarfile.BLKTYPE,
}


def pack(path: str, fd: int) -> Message:
    """Write what a directory holds to `fd`."""
    with os.fdopen(fd, "wb", buffering=_CHUNK) as out:
        seen: dict[tuple[int, int], str] = {}
        for name in _names(path, ""):
            _write_member(path, name, seen, out)
        out.write(bytes(2 * _BLOCK))
    return {}


def _names(root: str, below: str) -> Iterator[str]:
    """Names below a directory, each directory before what it holds; without recursion."""
    pending = [below]
    while pending:
        folder = pending.pop()
        with os.scandir(f"{root}/{folder}" if folder else root) as entries:
            found = sorted((entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries)
        for name, is_directory in found:
            relative = f"{folder}/{name}" if folder else name
            yield relative
            if is_directory:
                pending.append(relative)


def _write_member(root: str, name: str, seen: dict[tuple[int, int], str], out: IO[bytes]) -> None:
    path = f"{root}/{name}"
    try:
        info = os.lstat(path)
    except FileNotFoundError:
        return  # gone since
    kind = _KINDS.get(stat.S_IFMT(info.st_mode))
    if kind is None:
        return  # a socket means nothing elsewhere
    member = tarfile.TarInfo(name)
    member.type = kind
    member.mode = stat.S_IMODE(info.st_mode)
    member.uid, member.gid = info.st_uid, info.st_gid
    seconds, nanoseconds = divmod(info.st_mtime_ns, 10**9)
    member.mtime = seconds
    member.pax_headers = {"mtime": f"{seconds}.{nanoseconds:09d}"}
    if kind == tarfile.SYMTYPE:
        member.linkname = os.readlink(path)
    elif kind in (tarfile.CHRTYPE, tarfile.BLKTYPE):
        member.devmajor, member.devminor = os.major(info.st_rdev), os.minor(info.st_rdev)
    first = seen.setdefault((info.st_dev, info.st_ino), name) if info.st_nlink > 1 else name
    if first != name and kind != tarfile.DIRTYPE:
        member.type, member.linkname = tarfile.LNKTYPE, first
    if member.type == tarfile.REGTYPE:
        _write_file(path, member, out)
    else:
        out.write(_header(member))


def _write_file(path: str, member: tarfile.TarInfo, out: IO[bytes]) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        info = os.fstat(fd)
        parts = [(0, info.st_size)]
        if info.st_blocks * 512 < info.st_size:
            parts = _data(fd, info.st_size)
        if parts == [(0, info.st_size)] or not info.st_size:
            member.size = info.st_size
            out.write(_header(member))
        else:
            out.write(_sparse_header(member, info.st_size, parts))
        for offset, size in parts:
            _copy(fd, offset, size, out)
        out.write(bytes(-sum(size for _, size in parts) % _BLOCK))
    finally:
        os.close(fd)


def _sparse_header(member: tarfile.TarInfo, size: int, parts: list[tuple[int, int]]) -> bytes:
    """GNU tar's manual, section "PAX Format, Version 1.0": the map comes before the data."""
    lines = [str(len(parts)), *(str(number) for part in parts for number in part)]
    table = "".join(line + "\n" for line in lines).encode()
    table += bytes(-len(table) % _BLOCK)
    member.pax_headers = {
        **member.pax_headers,
        "GNU.sparse.major": "1",
        "GNU.sparse.minor": "0",
        "GNU.sparse.name": member.name,
        "GNU.sparse.realsize": str(size),
    }
    member.name = f"GNUSparseFile.0/{member.name}"
    member.size = len(table) + sum(length for _, length in parts)
    return _header(member) + table


def _header(member: tarfile.TarInfo) -> bytes:
    return member.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")


def _data(fd: int, size: int) -> list[tuple[int, int]]:
    """Where a file has data: offset and length; ends with an empty part at the file's end."""
    parts: list[tuple[int, int]] = []
    end = 0
    while end < size:
        try:
            start = os.lseek(fd, end, os.SEEK_DATA)
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise
            break  # a hole up to the end
        end = min(os.lseek(fd, start, os.SEEK_HOLE), size)
        parts.append((start, end - start))
    if parts == [(0, size)]:
        return parts
    return [*parts, (size, 0)]


def _copy(fd: int, offset: int, size: int, out: IO[bytes]) -> None:
    while size:
        data = os.pread(fd, min(size, _CHUNK), offset)
        if not data:
            data = bytes(min(size, _CHUNK))  # it shrank: the header has promised more
        out.write(data)
        offset, size = offset + len(data), size - len(data)
