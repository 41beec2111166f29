"""Users of an image, by its own files: owners of what is copied, and who runs a step."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from pytest_sandbox.engine import EntryKind

if TYPE_CHECKING:
    from pytest_sandbox.engine import Files

#: User and group id.
Owner = tuple[int, int]

#: Bytes of a file with users that are read.
_MOST = 1024**2
_LARGEST = 2**32 - 2  # the one above it means "none": chown(2)
#: Programs that start others as another user, where they are.
_SETPRIV = ("/usr/bin/setpriv", "/bin/setpriv")
_CHROOT = ("/usr/sbin/chroot", "/usr/bin/chroot", "/sbin/chroot")
NO_SWITCH = (
    "this step has a USER, and the image has neither setpriv of util-linux nor chroot of coreutils "
    "to run it as that"
)


async def owner_of(files: Files, text: str) -> Owner | None:
    """The owner that `--chown` means: `"app"`, `"app:app"`, `"1000:1000"`.

    Raises:
        ValueError: there is no such user or group.
    """
    if not text:
        return None
    user, _, group = text.partition(":")
    uid, gid = await _user(files, user)
    return uid, gid if not group else await _group(files, group)


async def switched(files: Files, user: str, argv: tuple[str, ...]) -> tuple[str, ...]:
    """A command that runs another one as a user.

    Raises:
        ValueError: there is no such user or group, or nothing to do that with.
    """
    owner = await owner_of(files, user)
    assert owner is not None
    uid, gid = owner
    name = user.partition(":")[0]
    groups = "" if ":" in user else ",".join(map(str, await _groups(files, name)))
    if program := await _found(files, _SETPRIV):
        more = f"--groups={groups}" if groups else "--clear-groups"
        return (program, f"--reuid={uid}", f"--regid={gid}", more, "--", *argv)
    if program := await _found(files, _CHROOT):
        return (program, f"--userspec={uid}:{gid}", f"--groups={groups}", "/", *argv)
    raise ValueError(NO_SWITCH)


async def home_of(files: Files, user: str) -> str:
    """The home directory of a user; that of the root directory if there is none."""
    name = user.partition(":")[0]
    for fields in await _lines(files, "/etc/passwd", 7):
        if name in (fields[0], fields[2]):
            return fields[5] or "/"
    return "/"


async def _user(files: Files, name: str) -> Owner:
    for fields in await _lines(files, "/etc/passwd", 7):
        if name in (fields[0], fields[2]):
            return int(fields[2]), int(fields[3])
    if name.isdecimal() and int(name) <= _LARGEST:
        return int(name), int(name)
    if not name:
        return 0, 0
    raise ValueError(f"there is no user {name!r} in the image")


async def _group(files: Files, name: str) -> int:
    for fields in await _lines(files, "/etc/group", 4):
        if name in (fields[0], fields[2]):
            return int(fields[2])
    if name.isdecimal() and int(name) <= _LARGEST:
        return int(name)
    raise ValueError(f"there is no group {name!r} in the image")


async def _groups(files: Files, user: str) -> list[int]:
    return [
        int(fields[2])
        for fields in await _lines(files, "/etc/group", 4)
        if user in fields[3].split(",")
    ]


async def _lines(files: Files, path: str, fields: int) -> list[list[str]]:
    """The lines of a file with fields, as passwd(5) is one, whose third one is a number."""
    try:
        file = await files.open(path, os.O_RDONLY)
    except OSError:
        return []
    try:
        text = (await file.pread(0, _MOST)).decode("utf-8", "replace")
    finally:
        await file.close()
    found = [line.split(":") for line in text.splitlines()]
    return [each for each in found if len(each) >= fields and each[2].isdecimal()]


async def _found(files: Files, paths: tuple[str, ...]) -> str:
    """The first of some programs that is there, and is not one of busybox, which knows less."""
    for path in paths:
        try:
            entry = await files.stat(path)
        except OSError:
            continue
        if entry.kind is not EntryKind.SYMLINK or "busybox" not in (entry.symlink_target or ""):
            return path
    return ""
