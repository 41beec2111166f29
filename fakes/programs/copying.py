"""Programs that copy, move and link files."""

import errno
import os
import posixpath
import stat
from collections.abc import Callable, Sequence

from ..files.inode import Directory, Inode, Regular, Symlink
from ..processes.process import SandboxProcess
from .files import remove_tree
from .paths import exists, is_directory, is_link, leads_to, same_file
from .utility import NotSupported, complain, each, options


async def cp(proc: SandboxProcess, argv: Sequence[str]) -> int:
    """Copy files, and with `-r` whole directories; `-a` keeps modes, times and owners."""
    given, paths = options(argv, "rRapfd", {"recursive": "r", "archive": "a", "force": "f"})
    keep = bool({"-a", "-p"} & set(given))
    recursive = bool({"-r", "-R", "-a"} & set(given))

    def copy(source: str, target: str) -> None:
        _copy(proc, source, target, recursive=recursive, keep=keep)

    return await _transfer(proc, "cp", paths, copy)


def _copy(proc: SandboxProcess, source: str, target: str, *, recursive: bool, keep: bool) -> None:
    """Copy a file, or a directory of any depth, but not what is copied into it."""
    # A directory comes twice: to be made, and, after all that it holds, to get its attributes.
    pending = [(source, target, False)]
    whole: Inode | None = None
    inside = ""
    existed = is_directory(proc, target)
    while pending:
        source, target, made = pending.pop()
        inode = proc.fs.lookup(source, base=proc.cwd, follow=not recursive)
        if inode is whole:
            if existed:  # coreutils then copy what the order of names on the disk brings
                raise NotSupported("copying a directory into one that it has already")
            inside = inside or source
            continue
        if isinstance(inode, Directory) and not made:
            if not recursive:
                raise OSError(errno.EISDIR, "is a directory, and -r was not given", source)
            if not is_directory(proc, target):
                mode = stat.S_IMODE(inode.mode) & ~proc.umask
                proc.fs.mkdir(target, mode, base=proc.cwd)
            whole = whole or proc.fs.lookup(target, base=proc.cwd)
            pending.append((source, target, True))
            pending += [
                (posixpath.join(source, name), posixpath.join(target, name), False)
                for name in sorted(inode.names, reverse=True)
            ]
            continue
        _copy_one(proc, source, inode, target)
        if keep and not isinstance(inode, Symlink):
            proc.fs.chown(target, inode.uid, inode.gid, base=proc.cwd)
            proc.fs.chmod(target, stat.S_IMODE(inode.mode), base=proc.cwd)
            proc.fs.utime(target, inode.atime_ns, inode.mtime_ns, base=proc.cwd)
    if inside:
        raise OSError(errno.EINVAL, f"cannot copy a directory into itself, {inside!r}")


def _copy_one(proc: SandboxProcess, source: str, inode: Inode, target: str) -> None:
    """Copy anything but a directory, which is made already."""
    fs, base = proc.fs, proc.cwd
    if isinstance(inode, Directory):
        return
    if exists(proc, target) and leads_to(proc, target, inode):
        raise OSError(errno.EINVAL, f"{source!r} and {target!r} are the same file")
    if isinstance(inode, Symlink):
        fs.symlink(inode.target, target, base=base)
    elif isinstance(inode, Regular):
        mode = stat.S_IMODE(inode.mode) & ~proc.umask
        handle = fs.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode, base=base)
        try:
            for offset, size in inode.content.extents():
                handle.pwrite(offset, inode.content.read(offset, size))
            handle.truncate(inode.size)
        finally:
            handle.close()
    else:
        raise NotSupported(f"copying the device {source!r}")


async def mv(proc: SandboxProcess, argv: Sequence[str]) -> int:
    """Rename files, or move them into a directory."""
    _, paths = options(argv, "f", {"force": "f"})

    def move(source: str, target: str) -> None:
        if same_file(proc, source, target):
            raise OSError(errno.EINVAL, f"{source!r} and {target!r} are the same file")
        try:
            proc.fs.rename(source, target, base=proc.cwd)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            _move_over(proc, source, target)

    return await _transfer(proc, "mv", paths, move)


def _move_over(proc: SandboxProcess, source: str, target: str) -> None:
    """Move to another mount, by way of a copy; a directory there must be empty."""
    fs, base = proc.fs, proc.cwd
    if exists(proc, target):
        there = fs.lookup(target, base=base, follow=False)
        moved = fs.lookup(source, base=base, follow=False)
        if isinstance(there, Directory) and not isinstance(moved, Directory):
            raise OSError(errno.EISDIR, os.strerror(errno.EISDIR), target)
        (fs.rmdir if isinstance(there, Directory) else fs.unlink)(target, base=base)
    _copy(proc, source, target, recursive=True, keep=True)
    remove_tree(proc, source)


async def _transfer(
    proc: SandboxProcess,
    name: str,
    paths: Sequence[str],
    action: Callable[[str, str], None],
    *,
    follow: bool = True,
) -> int:
    """What `cp`, `mv` and `ln` share: several sources need a directory to go to."""
    if len(paths) < 2:
        raise OSError(errno.EINVAL, "missing operand")
    *sources, target = paths
    into = is_directory(proc, target) and (follow or not is_link(proc, target))
    if len(sources) > 1 and not into:
        await complain(proc, name, f"{target}: Not a directory")
        return 1

    async def one(source: str) -> None:
        inside = posixpath.join(target, posixpath.basename(source.rstrip("/")))
        action(source, inside if into else target)

    return await each(proc, name, sources, one)


def _check_linkable(proc: SandboxProcess, source: str) -> None:
    """Refuse to link what is not there or may not be linked, before anything is replaced."""
    if isinstance(proc.fs.lookup(source, base=proc.cwd, follow=False), Directory):
        raise OSError(errno.EPERM, "hard link not allowed for directory", source)


def _check_replaceable(proc: SandboxProcess, source: str, target: str) -> None:
    """Refuse to replace a file by a link to itself."""
    there = proc.fs.lookup(target, base=proc.cwd, follow=False)
    same = posixpath.normpath(source) == posixpath.normpath(target)
    links = there.links if isinstance(there, Regular) else 1
    if (same or links == 1) and leads_to(proc, source, there):
        raise OSError(errno.EINVAL, f"{source!r} and {target!r} are the same file")


async def ln(proc: SandboxProcess, argv: Sequence[str]) -> int:
    """Make links, symbolic ones with `-s`; `-f` replaces what is there.

    With `-n` a link to a directory is no directory to put something into.
    """
    given, paths = options(argv, "sfn", {"symbolic": "s", "force": "f", "no-dereference": "n"})

    def link(source: str, target: str) -> None:
        if "-s" not in given or not source:
            _check_linkable(proc, source)
        if "-f" in given and exists(proc, target):
            _check_replaceable(proc, source, target)
            proc.fs.unlink(target, base=proc.cwd)
        if "-s" in given:
            proc.fs.symlink(source, target, base=proc.cwd)
        else:
            proc.fs.link(source, target, base=proc.cwd)

    if len(paths) == 1:
        paths.append(".")
    return await _transfer(proc, "ln", paths, link, follow="-n" not in given)
