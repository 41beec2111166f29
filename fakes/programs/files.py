"""Programs that make, show and move files."""

import errno
import os
import posixpath
import stat
from collections.abc import Callable, Collection, Sequence
from datetime import datetime, timezone

from ..files.inode import Directory, Inode, Regular, Symlink
from ..files.names import group_name, user_name
from ..files.trees import empty
from ..processes.process import SandboxProcess
from .mode import parse_mode
from .utility import NotSupported, complain, each, number, options


async def ls(proc: SandboxProcess, argv: Sequence[str]) -> int:
    """List files, then directories, one name a line."""
    given, paths = options(argv, "laAd1R")
    if "-R" in given:
        raise NotSupported("option -R")
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
    if "-a" in given:
        names = [".", "..", *names]
    elif "-A" not in given:
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


async def mkdir(proc: SandboxProcess, argv: Sequence[str]) -> int:
    """Make directories; `-p` those above too, and an existing one is fine."""
    given, paths = options(argv, "pm:")

    async def make(path: str) -> None:
        if "-p" in given:
            make_parents(proc, path)
        else:
            proc.fs.mkdir(path, 0o777 & ~proc.umask, base=proc.cwd)
        if "-m" in given:
            proc.fs.chmod(path, parse_mode(given["-m"], 0o777, proc.umask), base=proc.cwd)

    return await each(proc, "mkdir", _some(paths), make)


def make_parents(proc: SandboxProcess, path: str) -> None:
    """Make a directory and those above it, where they do not exist."""
    parts = path.split("/")
    for end in range(1, len(parts) + 1):
        above = "/".join(parts[:end])
        if above and not _is_directory(proc, above):
            proc.fs.mkdir(above, 0o777 & ~proc.umask, base=proc.cwd)


async def rmdir(proc: SandboxProcess, argv: Sequence[str]) -> int:
    """Remove empty directories."""
    _, paths = options(argv, "")

    async def remove(path: str) -> None:
        proc.fs.rmdir(path, base=proc.cwd)

    return await each(proc, "rmdir", _some(paths), remove)


async def rm(proc: SandboxProcess, argv: Sequence[str]) -> int:
    """Remove files, and with `-r` whole directories."""
    given, paths = options(argv, "rRf", ["recursive", "force"])
    recursive = bool({"-r", "-R", "--recursive"} & set(given))
    force = "-f" in given or "--force" in given

    async def remove(path: str) -> None:
        try:
            if recursive:
                _remove(proc, path)
            else:
                proc.fs.unlink(path, base=proc.cwd)
        except FileNotFoundError:
            if not force:
                raise

    return await each(proc, "rm", paths if force else _some(paths), remove)


def _remove(proc: SandboxProcess, path: str) -> None:
    """Remove whatever has a name, with what is below it."""
    fs, base = proc.fs, proc.cwd
    node = fs.node(path, base=base, follow=False)
    if isinstance(fs.inode(node), Directory):
        empty(fs, node)
        fs.rmdir(path, base=base)
    else:
        fs.unlink(path, base=base)


async def cp(proc: SandboxProcess, argv: Sequence[str]) -> int:
    """Copy files, and with `-r` whole directories; `-a` keeps modes, times and owners."""
    given, paths = options(argv, "rRapfd")
    keep = bool({"-a", "-p"} & set(given))
    recursive = bool({"-r", "-R", "-a"} & set(given))

    def copy(source: str, target: str) -> None:
        _copy(proc, source, target, recursive=recursive, keep=keep)

    return await _transfer(proc, "cp", paths, copy)


def _copy(proc: SandboxProcess, source: str, target: str, *, recursive: bool, keep: bool) -> None:
    fs, base = proc.fs, proc.cwd
    inode = fs.lookup(source, base=base, follow=not recursive)
    if isinstance(inode, Directory):
        if not recursive:
            raise OSError(errno.EISDIR, "is a directory, and -r was not given", source)
        if not _is_directory(proc, target):
            fs.mkdir(target, stat.S_IMODE(inode.mode) & ~proc.umask, base=base)
        for name in sorted(inode.names):
            below = posixpath.join(source, name), posixpath.join(target, name)
            _copy(proc, *below, recursive=True, keep=keep)
    elif isinstance(inode, Symlink):
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
    if keep and not isinstance(inode, Symlink):
        fs.chown(target, inode.uid, inode.gid, base=base)
        fs.chmod(target, stat.S_IMODE(inode.mode), base=base)
        fs.utime(target, inode.atime_ns, inode.mtime_ns, base=base)


async def mv(proc: SandboxProcess, argv: Sequence[str]) -> int:
    """Rename files, or move them into a directory."""
    _, paths = options(argv, "f")

    def move(source: str, target: str) -> None:
        if _same(proc, source, target):
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
    if _exists(proc, target):
        there = fs.lookup(target, base=base, follow=False)
        moved = fs.lookup(source, base=base, follow=False)
        if isinstance(there, Directory) and not isinstance(moved, Directory):
            raise OSError(errno.EISDIR, os.strerror(errno.EISDIR), target)
        (fs.rmdir if isinstance(there, Directory) else fs.unlink)(target, base=base)
    _copy(proc, source, target, recursive=True, keep=True)
    _remove(proc, source)


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
    into = _is_directory(proc, target) and (follow or not _is_link(proc, target))
    if len(sources) > 1 and not into:
        await complain(proc, name, f"{target}: Not a directory")
        return 1

    async def one(source: str) -> None:
        inside = posixpath.join(target, posixpath.basename(source.rstrip("/")))
        action(source, inside if into else target)

    return await each(proc, name, sources, one)


async def ln(proc: SandboxProcess, argv: Sequence[str]) -> int:
    """Make links, symbolic ones with `-s`; `-f` replaces what is there.

    With `-n` a link to a directory is no directory to put something into.
    """
    given, paths = options(argv, "sfn")

    def link(source: str, target: str) -> None:
        if "-f" in given and _exists(proc, target):
            proc.fs.unlink(target, base=proc.cwd)
        if "-s" in given:
            proc.fs.symlink(source, target, base=proc.cwd)
        else:
            proc.fs.link(source, target, base=proc.cwd)

    if len(paths) == 1:
        paths.append(".")
    return await _transfer(proc, "ln", paths, link, follow="-n" not in given)


async def touch(proc: SandboxProcess, argv: Sequence[str]) -> int:
    """Make files, or set their times: to now, or to `-t [[CC]YY]MMDDhhmm[.ss]`, in UTC."""
    given, paths = options(argv, "ct:")
    when = _timestamp(given["-t"], proc) if "-t" in given else int(proc.clock.now() * 10**9)

    async def set_time(path: str) -> None:
        if not _exists(proc, path):
            if "-c" in given:
                return
            proc.open(path, os.O_WRONLY | os.O_CREAT).release()
        proc.fs.utime(path, when, when, base=proc.cwd)

    return await each(proc, "touch", _some(paths), set_time)


def _timestamp(text: str, proc: SandboxProcess) -> int:
    digits, _, seconds = text.partition(".")
    year = datetime.fromtimestamp(proc.clock.now(), timezone.utc).year
    if len(digits) == 8:
        digits = f"{year}{digits}"
    if len(digits) == 10:
        digits = ("19" if digits[:2] >= "69" else "20") + digits
    try:
        when = datetime.strptime(digits + (seconds or "00"), "%Y%m%d%H%M%S")
    except ValueError:
        raise NotSupported(f"the time {text!r}") from None
    return int(when.replace(tzinfo=timezone.utc).timestamp()) * 10**9


async def chmod(proc: SandboxProcess, argv: Sequence[str]) -> int:
    """Set permission bits: octal, or as `u+x,go-w`; `-R` below directories too."""
    words = [f"./{word}" if word[:1] == "-" and word[1:2] in "rwxst" else word for word in argv]
    given, rest = options(words, "R")
    spec, *paths = _some(rest)
    spec = spec.removeprefix("./")

    def change(path: str) -> None:
        inode = proc.fs.lookup(path, base=proc.cwd)
        mode = stat.S_IMODE(inode.mode)
        directory = isinstance(inode, Directory)
        mode = parse_mode(spec, mode, proc.umask, directory=directory)
        proc.fs.chmod(path, mode, base=proc.cwd)
        if "-R" in given and isinstance(inode, Directory):
            for name in inode.names:
                below = posixpath.join(path, name)
                if not isinstance(proc.fs.lookup(below, base=proc.cwd, follow=False), Symlink):
                    change(below)

    async def one(path: str) -> None:
        change(path)

    return await each(proc, "chmod", _some(paths), one)


async def chown(proc: SandboxProcess, argv: Sequence[str]) -> int:
    """Set owner and group, by number: `1000`, `1000:1000`, `:1000`."""
    given, rest = options(argv, "h")
    spec, *paths = _some(rest)
    user, _, group = spec.partition(":")
    uid, gid = (number(part, "owner") if part else -1 for part in (user, group))

    async def change(path: str) -> None:
        proc.fs.chown(path, uid, gid, base=proc.cwd, follow="-h" not in given)

    return await each(proc, "chown", _some(paths), change)


async def readlink(proc: SandboxProcess, argv: Sequence[str]) -> int:
    """Print where a symbolic link points."""
    _, paths = options(argv, "")
    try:
        for path in _some(paths):
            await proc.say(proc.fs.readlink(path, base=proc.cwd) + "\n")
    except OSError:
        return 1
    return 0


async def truncate(proc: SandboxProcess, argv: Sequence[str]) -> int:
    """Cut or extend files to `-s SIZE` bytes, making them if need be."""
    given, paths = options(argv, "s:")
    size = number(given.get("-s", ""), "size")

    async def cut(path: str) -> None:
        proc.open(path, os.O_WRONLY | os.O_CREAT).release()
        proc.fs.truncate(path, size, base=proc.cwd)

    return await each(proc, "truncate", _some(paths), cut)


def _some(paths: list[str]) -> list[str]:
    if not paths:
        raise OSError(errno.EINVAL, "missing operand")
    return paths


def _exists(proc: SandboxProcess, path: str) -> bool:
    try:
        proc.fs.lookup(path, base=proc.cwd, follow=False)
    except OSError:
        return False
    return True


def _same(proc: SandboxProcess, source: str, target: str) -> bool:
    """Whether both are names of one file, or the one is a link to the other."""
    if not (_exists(proc, source) and _exists(proc, target)):
        return False
    there = proc.fs.lookup(target, base=proc.cwd, follow=False)
    if there is proc.fs.lookup(source, base=proc.cwd, follow=False):
        return True
    # A link may replace another name of what it leads to.
    return isinstance(there, Regular) and there.links == 1 and _leads_to(proc, source, there)


def _leads_to(proc: SandboxProcess, path: str, inode: Inode) -> bool:
    try:
        return proc.fs.lookup(path, base=proc.cwd) is inode
    except OSError:
        return False


def _is_link(proc: SandboxProcess, path: str) -> bool:
    return _exists(proc, path) and isinstance(
        proc.fs.lookup(path, base=proc.cwd, follow=False), Symlink
    )


def _is_directory(proc: SandboxProcess, path: str) -> bool:
    try:
        return isinstance(proc.fs.lookup(path, base=proc.cwd), Directory)
    except OSError:
        return False
