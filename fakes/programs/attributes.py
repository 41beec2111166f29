"""Programs that change what files are: times, modes, owners and sizes."""

import os
import posixpath
import stat
from collections.abc import Sequence
from datetime import datetime, timezone

from ..files.inode import Directory, Symlink
from ..processes.process import SandboxProcess
from .mode import parse_mode
from .paths import exists, some
from .utility import NotSupported, each, number, options


async def touch(proc: SandboxProcess, argv: Sequence[str]) -> int:
    """Make files, or set their times: to now, or to `-t [[CC]YY]MMDDhhmm[.ss]`, in UTC."""
    given, paths = options(argv, "ct:", {"no-create": "c"}, once="t")
    when = _timestamp(given["-t"], proc) if "-t" in given else int(proc.clock.now() * 10**9)

    async def set_time(path: str) -> None:
        if not exists(proc, path):
            if "-c" in given:
                return
            proc.open(path, os.O_WRONLY | os.O_CREAT).release()
        proc.fs.utime(path, when, when, base=proc.cwd)

    return await each(proc, "touch", some(paths), set_time)


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
    modes = [word for word in argv[1:] if word[:1] == "-" and word[1:2] and word[1] in "rwxst"]
    if len(modes) > 1 or (modes and argv[1] != modes[0]):
        raise NotSupported(f"the mode {modes[0]!r} that does not come first")
    words = [f"./{word}" if word in modes else word for word in argv]
    given, rest = options(words, "R", {"recursive": "R"})
    spec, *paths = some(rest)
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

    return await each(proc, "chmod", some(paths), one)


async def chown(proc: SandboxProcess, argv: Sequence[str]) -> int:
    """Set owner and group, by number: `1000`, `1000:1000`, `:1000`."""
    given, rest = options(argv, "h")
    spec, *paths = some(rest)
    user, colon, group = spec.partition(":")
    if colon and not group:
        raise NotSupported(f"the owner {spec!r}, with the group of a user,")
    uid, gid = (number(part, "owner") if part else -1 for part in (user, group))

    async def change(path: str) -> None:
        proc.fs.chown(path, uid, gid, base=proc.cwd, follow="-h" not in given)

    return await each(proc, "chown", some(paths), change)


async def truncate(proc: SandboxProcess, argv: Sequence[str]) -> int:
    """Cut or extend files to `-s SIZE` bytes, making them if need be."""
    given, paths = options(argv, "s:", {"size": "s"}, once="s")
    text = given.get("-s", "")
    if not text.isdigit():
        raise NotSupported(f"the size {text!r}")
    size = number(text, "size")

    async def cut(path: str) -> None:
        proc.open(path, os.O_WRONLY | os.O_CREAT).release()
        proc.fs.truncate(path, size, base=proc.cwd)

    return await each(proc, "truncate", some(paths), cut)
