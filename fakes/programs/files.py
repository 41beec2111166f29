"""Programs that make and remove files and directories, and `readlink`."""

import errno
import os
from collections.abc import Sequence

from ..files.inode import Directory
from ..files.trees import empty
from ..processes.process import SandboxProcess
from .mode import parse_mode
from .paths import is_directory, some
from .utility import each, options


async def mkdir(proc: SandboxProcess, argv: Sequence[str]) -> int:
    """Make directories; `-p` those above too, and an existing one is fine."""
    given, paths = options(argv, "pm:", {"parents": "p", "mode": "m"})
    mode = parse_mode(given["-m"], 0o777, proc.umask) if "-m" in given else None

    async def make(path: str) -> None:
        there = "-p" in given and is_directory(proc, path)
        if "-p" in given:
            make_parents(proc, path)
        else:
            proc.fs.mkdir(path, 0o777 & ~proc.umask, base=proc.cwd)
        if mode is not None and not there:
            proc.fs.chmod(path, mode, base=proc.cwd)

    return await each(proc, "mkdir", some(paths), make)


def make_parents(proc: SandboxProcess, path: str) -> None:
    """Make a directory and those above it, where they do not exist."""
    if not path:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
    parts = path.split("/")
    for end in range(1, len(parts) + 1):
        above = "/".join(parts[:end])
        if above and not is_directory(proc, above):
            proc.fs.mkdir(above, 0o777 & ~proc.umask, base=proc.cwd)


async def rmdir(proc: SandboxProcess, argv: Sequence[str]) -> int:
    """Remove empty directories."""
    _, paths = options(argv, "")

    async def remove(path: str) -> None:
        proc.fs.rmdir(path, base=proc.cwd)

    return await each(proc, "rmdir", some(paths), remove)


async def rm(proc: SandboxProcess, argv: Sequence[str]) -> int:
    """Remove files, and with `-r` whole directories."""
    given, paths = options(argv, "rRf", {"recursive": "r", "force": "f"})
    recursive, force = bool({"-r", "-R"} & set(given)), "-f" in given

    async def remove(path: str) -> None:
        try:
            if recursive:
                remove_tree(proc, path)
            else:
                proc.fs.unlink(path, base=proc.cwd)
        except (FileNotFoundError, NotADirectoryError):
            if not force:
                raise

    return await each(proc, "rm", paths if force else some(paths), remove)


def remove_tree(proc: SandboxProcess, path: str) -> None:
    """Remove whatever has a name, with what is below it."""
    fs, base = proc.fs, proc.cwd
    node = fs.node(path, base=base, follow=False)
    if isinstance(fs.inode(node), Directory):
        empty(fs, node)
        fs.rmdir(path, base=base)
    else:
        fs.unlink(path, base=base)


async def readlink(proc: SandboxProcess, argv: Sequence[str]) -> int:
    """Print where a symbolic link points."""
    _, paths = options(argv, "")
    code = 0
    for path in some(paths):
        try:
            target = proc.fs.readlink(path, base=proc.cwd)
        except OSError:  # noqa: PERF203  each path fails for itself, without a message
            code = 1
        else:
            await proc.say(target + "\n")
    return code
