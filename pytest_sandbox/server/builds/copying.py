"""Puts the files of COPY into a sandbox."""

from __future__ import annotations

import errno
import os
from contextlib import contextmanager
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from pytest_sandbox._shared.tar.member import MemberKind
from pytest_sandbox.engine import EntryKind, Files

from ..volumes.tar_stream import NewFile, tar_stream
from .archives import unpacked
from .context import MOST_LINKS, CopiedFile, Parts, left_out

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from pytest_sandbox._shared.tar.member import Member

    from .steps import CopyStep, Placing
    from .users import Owner


async def put(files: Files, step: CopyStep, owner: Owner | None, now: float) -> None:
    """Copy files to their places, with the directories above them.

    Args:
        files: of the sandbox.
        step: what to copy, and where.
        owner: of all of it; `None` for the one that each has.
        now: the time of the files, in seconds since the Unix epoch.

    Raises:
        OSError: as the file operations of the engine raise it.
    """
    placing = step.placing
    for archive in step.archives:
        content = unpacked(archive.file.upload, change(placing, owner))
        with _whole_paths(placing.target):
            await files.unpack(placing.target, content)
    if not step.files:
        if not step.archives:  # as of a directory without files
            await files.mkdir(placing.target, parents=True)
        return
    target, copied = placing.target, step.files
    if placing.single and not await is_directory(files, target):
        place = await followed(files, target)
        target, copied = str(place.parent), (CopiedFile((place.name,), copied[0].file),)
    await put_below(files, target, copied, placing.mode, owner, now)


def change(placing: Placing, owner: Owner | None) -> Callable[[Member], bool]:
    """What is done to each member of a tar: it gets its owner and its mode."""

    def changed(member: Member) -> bool:
        if owner is not None:
            member.uid, member.gid = owner
        if placing.mode is not None and member.kind is not MemberKind.SYMLINK:
            member.mode = placing.mode
        return not left_out(PurePosixPath(member.name).parts, placing.exclude)

    return changed


async def put_below(
    files: Files,
    target: str,
    copied: Sequence[CopiedFile],
    mode: int | None,
    owner: Owner | None,
    now: float,
) -> None:
    """Unpack into a directory; links on the way, as `/bin` is one, are unpacked into themselves.

    For an engine unpacks nothing through a link: of a tar that somebody wrote, that would be a
    way out.
    """
    links = await _links(files, target, copied)
    by_link: dict[Parts, list[CopiedFile]] = {}
    plain: list[NewFile] = []
    for each in copied:
        if each.file.kind is EntryKind.DIRECTORY and each.path in links:
            continue  # it is there, by a link
        link = next((each.path[:n] for n in range(1, len(each.path)) if each.path[:n] in links), ())
        if link:
            by_link.setdefault(link, []).append(CopiedFile(each.path[len(link) :], each.file))
        else:
            plain.append(each.new(each.path, mode, owner))
    if plain:
        with _whole_paths(target):
            await files.unpack(target, tar_stream(plain, now))
    for link, below in by_link.items():
        await put_below(files, "/".join((target.rstrip("/"), *link)), below, mode, owner, now)


@contextmanager
def _whole_paths(target: str) -> Iterator[None]:
    """Errors of a tar name its members; here, they name the paths that these would have."""
    try:
        yield
    except OSError as error:
        if not isinstance(error.filename, str):
            raise
        path = PurePosixPath(target, error.filename)
        raise OSError(error.errno, error.strerror, str(path)) from error


async def _links(files: Files, target: str, copied: Sequence[CopiedFile]) -> set[Parts]:
    """The symbolic links among the directories that the files are in, the topmost of each."""
    wanted = {each.path[:depth] for each in copied for depth in range(1, len(each.path))}
    wanted |= {each.path for each in copied if each.file.kind is EntryKind.DIRECTORY}
    there: set[Parts] = {()}
    links: set[Parts] = set()
    for path in sorted(wanted, key=len):
        if path[:-1] not in there:
            continue  # it is new, or below a link
        try:
            entry = await files.stat("/".join((target.rstrip("/"), *path)))
        except (FileNotFoundError, NotADirectoryError):
            continue
        (links if entry.kind is EntryKind.SYMLINK else there).add(path)
    return links


async def followed(files: Files, path: str) -> PurePosixPath:
    """Where the file of a target is written: links at its end are followed, as BuildKit does.

    The last one may lead to what is not there yet. A path with more of them is no path out of the
    sandbox: whoever writes there finds it inside, from the root of the sandbox on.

    Raises:
        OSError: `ELOOP`, and as the file operations of the engine raise it.
    """
    place = PurePosixPath(path)
    for _ in range(MOST_LINKS):
        try:
            entry = await files.stat(str(place))
        except (FileNotFoundError, NotADirectoryError):
            return place
        if entry.kind is not EntryKind.SYMLINK:
            return place
        place = place.parent / (entry.symlink_target or "")
    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)


async def is_directory(files: Files, path: str) -> bool:
    """Whether there is a directory at a path, or a link to one."""
    try:
        return (await files.stat(path, follow=True)).kind is EntryKind.DIRECTORY
    except (FileNotFoundError, NotADirectoryError):
        return False
