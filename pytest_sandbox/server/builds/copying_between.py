"""Copies files from one sandbox into another: COPY --from."""

from __future__ import annotations

import fnmatch
import os
import tempfile
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from pytest_sandbox.engine import EntryKind, Files

from .archives import changed
from .context import left_out
from .copying import change, followed, is_directory

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from pytest_sandbox._shared.tar.member import Member
    from pytest_sandbox.engine import Entry

    from .steps import Placing
    from .users import Owner

#: Bytes of a tar that are in memory while it is changed; more is in a file without a name.
_IN_MEMORY = 8 * 1024 * 1024


async def copy_between(
    source: Files,
    paths: tuple[str, ...],
    target: Files,
    placing: Placing,
    owner: Owner | None,
) -> None:
    """Copy files and directories.

    Args:
        source: files of the sandbox that they are in.
        paths: there; may be patterns.
        target: files of the other one.
        placing: where they go, and how.
        owner: of all of them; `None` for the one that each has.

    Raises:
        OSError: as the file operations of the engine raise it.
        ValueError: a path is not there.
    """
    found: list[Entry] = []
    for path in paths:
        matches = await _matching(source, path)
        if not matches:
            raise ValueError(f"{path!r} is not in the image that is copied from")
        found += matches
    single = placing.single and len(found) == 1
    for entry in found:
        if entry.kind is EntryKind.DIRECTORY:
            await _directory(source, entry.path, target, placing, owner)
        elif not left_out((entry.name,), placing.exclude):
            into, name = placing.target, entry.name
            if single and not await is_directory(target, into):
                place = await followed(target, into)
                into, name = str(place.parent), place.name
            set_attributes = change(placing, owner)
            await _file(source, entry, target, into, name, set_attributes)


async def _matching(files: Files, pattern: str) -> list[Entry]:
    """What a path or a pattern names, links followed."""
    found = ["/"]
    for part in PurePosixPath("/", pattern).parts[1:]:
        if not any(sign in part for sign in "*?["):
            found = [os.path.join(path, part) for path in found]
            continue
        entries = [entry for path in found for entry in await _listed(files, path)]
        found = [each.path for each in entries if fnmatch.fnmatchcase(each.name, part)]
    return [entry for path in found if (entry := await _stat(files, path)) is not None]


async def _listed(files: Files, path: str) -> list[Entry]:
    try:
        return await files.listdir(path)
    except (FileNotFoundError, NotADirectoryError):
        return []


async def _stat(files: Files, path: str) -> Entry | None:
    try:
        return await files.stat(path, follow=True)
    except (FileNotFoundError, NotADirectoryError):
        return None


async def _directory(
    source: Files, path: str, target: Files, placing: Placing, owner: Owner | None
) -> None:
    """Copy what is in a directory."""
    packed = source.pack(path)
    if placing.mode is None and owner is None and not placing.exclude:
        await target.unpack(placing.target, packed)
        return
    await _changed(packed, target, placing.target, change(placing, owner))


async def _file(
    source: Files,
    entry: Entry,
    target: Files,
    into: str,
    name: str,
    set_attributes: Callable[[Member], bool],
) -> None:
    """Copy a file, with its time and its holes."""

    def renamed(member: Member) -> bool:
        set_attributes(member)
        member.name = name
        return True

    await _changed(source.pack(entry.path, file=True), target, into, renamed)


async def _changed(
    packed: AsyncIterator[bytes], target: Files, into: str, change: Callable[[Member], bool]
) -> None:
    with tempfile.SpooledTemporaryFile(_IN_MEMORY) as spool:
        async for data in packed:
            spool.write(data)
        spool.seek(0)
        await target.unpack(into, changed(spool, change))
