"""Users of an image, by its own files: owners of what is copied, and who runs a step."""

from __future__ import annotations

import os
import zlib
from typing import TYPE_CHECKING

from pytest_sandbox.engine import ProcessUser

if TYPE_CHECKING:
    from pytest_sandbox.engine import Files

#: User and group id.
Owner = tuple[int, int]

#: Bytes of a file with users that are read: one of 16 MiB has some 300,000 users.
_MOST = 16 * 1024**2
_LARGEST = 2**32 - 2  # the one above it means "none": chown(2)


async def owner_of(files: Files, text: str, *, any_name: bool = False) -> Owner | None:
    """The owner that `--chown` means: `"app"`, `"app:app"`, `"1000:1000"`.

    Args:
        files: of the image.
        text: after `--chown`.
        any_name: whether names that are not in the image have an id too, as where no program runs
            that would add them.

    Raises:
        ValueError: there is no such user or group.
    """
    if not text:
        return None
    user, _, group = text.partition(":")
    uid, gid = await _user(files, user, any_name=any_name)
    return uid, gid if not group else await _group(files, group, any_name=any_name)


async def process_user(files: Files, user: str, *, any_name: bool = False) -> ProcessUser:
    """Who runs a step with this `USER`: a name or a number, perhaps with a group.

    As at Docker, a group that is given is the only one, and a number that is not in `/etc/passwd`
    has the group of root.

    Args:
        files: of the image.
        user: after `USER`.
        any_name: as for `owner_of`.

    Raises:
        ValueError: there is no such user or group.
    """
    name, _, group = user.partition(":")
    fields = await _account(files, name, any_name=any_name)
    uid, gid = (_id(name), 0) if fields is None else (_id(fields[2]), _id(fields[3]))
    if group:
        return ProcessUser(uid, await _group(files, group, any_name=any_name))
    groups = () if fields is None else await _groups(files, fields[0])
    return ProcessUser(uid, gid, tuple(groups))


async def home_of(files: Files, user: str, *, any_name: bool = False) -> str:
    """The home directory of a user; that of the root directory if there is none."""
    fields = await _account(files, user.partition(":")[0], any_name=any_name)
    return "/" if fields is None else fields[5] or "/"


async def _account(files: Files, name: str, *, any_name: bool) -> list[str] | None:
    """The line of a user in `/etc/passwd`; `None` for a number, or no name, that has none.

    Raises:
        ValueError: there is no such user.
    """
    for fields in await _lines(files, "/etc/passwd", 7):
        if name in (fields[0], fields[2]):
            return fields
    if name and not name.isdecimal():
        if any_name:
            number = _number_of(name)
            return [name, "x", number, number, "", f"/home/{name}", ""]
        raise ValueError(f"there is no user {name!r} in the image")
    return None


async def _user(files: Files, name: str, *, any_name: bool) -> Owner:
    fields = await _account(files, name, any_name=any_name)
    if fields is None:
        return _id(name), _id(name)
    return _id(fields[2]), _id(fields[3])


async def _group(files: Files, name: str, *, any_name: bool) -> int:
    for fields in await _lines(files, "/etc/group", 4):
        if name in (fields[0], fields[2]):
            return _id(fields[2])
    if name.isdecimal():
        return _id(name)
    if any_name:
        return _id(_number_of(name))
    raise ValueError(f"there is no group {name!r} in the image")


async def _groups(files: Files, user: str) -> list[int]:
    return [
        _id(fields[2])
        for fields in await _lines(files, "/etc/group", 4)
        if user in fields[3].split(",")
    ]


def _number_of(name: str) -> str:
    """The id of a name that is in no file: the same each time, in the range of useradd(8)."""
    return str(1000 + zlib.crc32(name.encode()) % 59000)


def _id(text: str) -> int:
    """A user or group id; that of root if there is no text."""
    if not text:
        return 0
    if text.isascii() and text.isdecimal() and len(text) < 11 and int(text) <= _LARGEST:
        return int(text)
    raise ValueError(f"{text!r} is no id of a user or a group")


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
