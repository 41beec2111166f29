"""`ls`."""

import posixpath
import stat
from collections.abc import Collection, Sequence
from datetime import datetime, timezone

from ..files.inode import Directory, Inode, Symlink
from ..files.names import group_name, user_name
from ..processes.process import SandboxProcess
from .utility import each, options


async def ls(proc: SandboxProcess, argv: Sequence[str]) -> int:
    """List files, then directories, one name a line."""
    given, paths = options(argv, "laAd1", {"all": "a", "almost-all": "A", "directory": "d"})
    long = "-l" in given
    directories: list[tuple[str, Directory]] = []
    files: list[str] = []

    async def look(path: str) -> None:
        inode = proc.fs.lookup(path, base=proc.cwd, follow=not long and "-d" not in given)
        if isinstance(inode, Directory) and "-d" not in given:
            directories.append((path, inode))
        else:
            files.append(_listed(proc, path, inode, long=long))

    code = await each(proc, "ls", sorted(paths) or ["."], look)
    await proc.say("".join(files))
    for index, (path, directory) in enumerate(directories):
        if len(paths) > 1:
            await proc.say(("\n" if files or index else "") + f"{path}:\n")
        await proc.say("".join(_listing(proc, path, directory, given, long=long)))
    return 2 if code else 0


def _listing(
    proc: SandboxProcess, path: str, directory: Directory, given: Collection[str], *, long: bool
) -> list[str]:
    names = sorted(directory.names)
    shown = [key for key in given if key in ("-a", "-A")][-1:]
    if shown == ["-a"]:
        names = sorted([".", "..", *names])
    elif not shown:
        names = [name for name in names if not name.startswith(".")]
    lines = []
    for name in names:
        inode = proc.fs.lookup(posixpath.join(path, name), base=proc.cwd, follow=False)
        lines.append(_listed(proc, name, inode, long=long))
    return lines


def _listed(proc: SandboxProcess, name: str, inode: Inode, *, long: bool) -> str:
    if not long:
        return f"{name}\n"
    when = datetime.fromtimestamp(inode.mtime_ns // 10**9, timezone.utc)
    target = f" -> {inode.target}" if isinstance(inode, Symlink) else ""
    return (
        f"{stat.filemode(inode.mode)} {inode.links} {user_name(proc.fs, inode.uid)}"
        f" {group_name(proc.fs, inode.gid)} {inode.size} {when:%b %e %H:%M} {name}{target}\n"
    )
