"""Checks of path operands that several programs share."""

import errno

from ..files.inode import Directory, Inode, Regular, Symlink
from ..processes.process import SandboxProcess


def some(paths: list[str]) -> list[str]:
    """The operands of a program that wants one at least.

    Raises:
        OSError: `EINVAL`, there is none.
    """
    if not paths:
        raise OSError(errno.EINVAL, "missing operand")
    return paths


def exists(proc: SandboxProcess, path: str) -> bool:
    """Whether there is something; a symbolic link is, wherever it leads."""
    try:
        proc.fs.lookup(path, base=proc.cwd, follow=False)
    except OSError:
        return False
    return True


def same_file(proc: SandboxProcess, source: str, target: str) -> bool:
    """Whether both are names of one file, or one is a link to the other."""
    if not (exists(proc, source) and exists(proc, target)):
        return False
    there = proc.fs.lookup(target, base=proc.cwd, follow=False)
    if there is proc.fs.lookup(source, base=proc.cwd, follow=False):
        return True
    # A link may replace another name of what it leads to.
    return isinstance(there, Regular) and there.links == 1 and leads_to(proc, source, there)


def leads_to(proc: SandboxProcess, path: str, inode: Inode) -> bool:
    """Whether a path, by way of links if need be, is one of a file."""
    try:
        return proc.fs.lookup(path, base=proc.cwd) is inode
    except OSError:
        return False


def is_link(proc: SandboxProcess, path: str) -> bool:
    """Whether it is a symbolic link."""
    return exists(proc, path) and isinstance(
        proc.fs.lookup(path, base=proc.cwd, follow=False), Symlink
    )


def is_directory(proc: SandboxProcess, path: str) -> bool:
    """Whether it is a directory, or leads to one."""
    try:
        return isinstance(proc.fs.lookup(path, base=proc.cwd), Directory)
    except OSError:
        return False
