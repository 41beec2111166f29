"""`ls`."""

import posixpath
import stat
from collections.abc import Collection, Sequence
from datetime import datetime, timezone

from ..files.inode import Device, Directory, Inode, Regular, Symlink
from ..files.names import group_name, user_name
from ..processes.process import SandboxProcess
from .utility import NotSupported, each, options

#: A file as it is shown: the columns before its name, of which there are none in a short listing.
Row = tuple[tuple[str, ...], str]
_PAGE = 4096
#: Half a mean year: of what is older or newer, the year is shown instead of the time.
_RECENT = 31556952 // 2


async def ls(proc: SandboxProcess, argv: Sequence[str]) -> int:
    """List files, then directories, one name a line."""
    given, paths = options(argv, "laAd1", {"all": "a", "almost-all": "A", "directory": "d"})
    long = "-l" in given
    directories: list[tuple[str, Directory]] = []
    files: list[Row] = []

    async def look(path: str) -> None:
        inode = proc.fs.lookup(path, base=proc.cwd, follow=not long and "-d" not in given)
        if isinstance(inode, Directory) and "-d" not in given:
            directories.append((path, inode))
        else:
            files.append(_row(proc, path, inode, long=long))

    code = await each(proc, "ls", sorted(paths) or ["."], look)
    measured = files + [_row(proc, path, inode, long=long) for path, inode in directories]
    await proc.say(_table(files, measured))
    for index, (path, directory) in enumerate(directories):
        if len(paths) > 1:
            await proc.say(("\n" if files or index else "") + f"{path}:\n")
        found = _inodes(proc, path, directory, given)
        if long:  # as on tmpfs, where whole pages count, and only those of regular files
            pages = sum(_pages(inode) for _, inode in found)
            await proc.say(f"total {pages * _PAGE // 1024}\n")
        rows = [_row(proc, name, inode, long=long) for name, inode in found]
        await proc.say(_table(rows, rows))
    return 2 if code else 0


def _inodes(
    proc: SandboxProcess, path: str, directory: Directory, given: Collection[str]
) -> list[tuple[str, Inode]]:
    names = sorted(directory.names)
    shown = [key for key in given if key in ("-a", "-A")][-1:]
    if shown == ["-a"]:
        names = sorted([".", "..", *names])
    elif not shown:
        names = [name for name in names if not name.startswith(".")]
    return [
        (name, proc.fs.lookup(posixpath.join(path, name), base=proc.cwd, follow=False))
        for name in names
    ]


def _row(proc: SandboxProcess, name: str, inode: Inode, *, long: bool) -> Row:
    if not long:
        return (), name
    if isinstance(inode, Device):
        raise NotSupported(f"the device {name!r} in a long listing")
    when = datetime.fromtimestamp(inode.mtime_ns // 10**9, timezone.utc)
    age = proc.clock.now() - inode.mtime_ns / 10**9
    time = "%b %e %H:%M" if 0 <= age < _RECENT else "%b %e  %Y"
    columns = (
        stat.filemode(inode.mode),
        str(inode.links),
        user_name(proc.fs, inode.uid),
        group_name(proc.fs, inode.gid),
        str(inode.size),
        f"{when:{time}}",
    )
    return columns, f"{name} -> {inode.target}" if isinstance(inode, Symlink) else name


def _table(rows: Sequence[Row], measured: Sequence[Row]) -> str:
    """Numbers end at the same place, names of users and groups begin there.

    Args:
        rows: what is shown.
        measured: what decides about the widths of columns.
    """
    measures = [columns for columns, _ in measured]
    widths = [max(map(len, column)) for column in zip(*measures, strict=True)]
    lines = []
    for columns, name in rows:
        cells = [
            cell.ljust(width) if index in (2, 3) else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(columns, widths, strict=True))
        ]
        lines.append(" ".join([*cells, name]) + "\n")
    return "".join(lines)


def _pages(inode: Inode) -> int:
    if not isinstance(inode, Regular):
        return 0
    extents = inode.content.extents()
    return sum(-(-(offset + size) // _PAGE) - offset // _PAGE for offset, size in extents)
