"""Puts the files of COPY into a sandbox."""

from collections.abc import Sequence
from pathlib import PurePosixPath

from pytest_sandbox.engine import EntryKind, Files

from ..volumes.tar_stream import NewFile, tar_stream
from .context import CopiedFile, Parts
from .steps import CopyStep


async def put(files: Files, step: CopyStep, now: float) -> None:
    """Copy files to their places, with the directories above them.

    Args:
        files: of the sandbox.
        step: what to copy, and where.
        now: the time of the files, in seconds since the Unix epoch.

    Raises:
        OSError: as the file operations of the engine raise it.
    """
    target, copied = step.target, step.files
    if step.single and not await _is_directory(files, target):
        place = PurePosixPath(target)
        target, copied = str(place.parent), (CopiedFile((place.name,), copied[0].file),)
    await _put(files, target, copied, step.mode, now)


async def _put(
    files: Files, target: str, copied: Sequence[CopiedFile], mode: int | None, now: float
) -> None:
    """Unpack into a directory; links on the way, as `/bin` is one, are unpacked into themselves.

    For an engine unpacks nothing through a link: of a tar that somebody wrote, that would be a
    way out.
    """
    links = await _links(files, target, copied)
    by_link: dict[Parts, list[CopiedFile]] = {}
    plain: list[NewFile] = []
    for each in copied:
        link = next((each.path[:n] for n in range(1, len(each.path)) if each.path[:n] in links), ())
        if link:
            by_link.setdefault(link, []).append(CopiedFile(each.path[len(link) :], each.file))
        else:
            plain.append(each.new(each.path, mode))
    if plain:
        await files.unpack(target, tar_stream(plain, now))
    for link, below in by_link.items():
        await _put(files, "/".join((target.rstrip("/"), *link)), below, mode, now)


async def _links(files: Files, target: str, copied: Sequence[CopiedFile]) -> set[Parts]:
    """The symbolic links among the directories that the files are in, the topmost of each."""
    wanted = {each.path[:depth] for each in copied for depth in range(1, len(each.path))}
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


async def _is_directory(files: Files, path: str) -> bool:
    try:
        return (await files.stat(path, follow=True)).kind is EntryKind.DIRECTORY
    except (FileNotFoundError, NotADirectoryError):
        return False
