"""The context of a build: the local files that its lines take."""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from pytest_sandbox._shared.dockerfile.context import context_patterns
from pytest_sandbox._shared.dockerfile.instruction import DockerfileError

from ..exceptions import InvalidError
from .local_tree import LocalTree, directory, leads_into
from .patterns import ignoring

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from .local_tree import TreeFile

__tracebackhide__ = True  # a failing test shows the caller's line, not these

_IGNORED = ".dockerignore"


def context_files_of(
    lines: Sequence[str],
    context_dir: str | os.PathLike[str] | None,
    ignore: Sequence[str] | Callable[[Path], bool] | None,
    dockerfile: Path | None = None,
) -> LocalTree | None:
    """The files that lines take; `None` if they take none.

    A symbolic link that leads out of the directory is left out, unless a line names it: then the
    upload of the files raises `InvalidError`.

    Args:
        lines: of a Dockerfile.
        context_dir: where the files are; the current directory if not given.
        ignore: which are left out; a `.dockerignore` says so if not given.
        dockerfile: the file that the lines are from, which may have a `.dockerignore` of its own.

    Raises:
        InvalidError: the lines are none of a Dockerfile.
    """
    try:
        wanted = context_patterns(lines)
    except DockerfileError as error:
        raise InvalidError(f"the lines of an image are not valid: {error}") from None
    if not wanted:
        return None
    top = Path(context_dir or Path.cwd()).expanduser()
    taken, ignored = (
        ignoring(wanted),
        ignoring(_found(top, dockerfile) if ignore is None else ignore),
    )
    tree = directory(top, "/", lambda path: not taken(path) or ignored(path), follow_out=False)

    def files() -> Iterator[TreeFile]:
        for name in wanted:
            _refuse_link_out(top, name, ignored)
        yield from tree.files()

    return LocalTree(files, repr(tree))


def _refuse_link_out(top: Path, name: str, ignored: Callable[[Path], bool]) -> None:
    """Raise `InvalidError` if the name of a file has a link that leads out of the context."""
    if any(letter in name for letter in "*?["):
        return  # a pattern names no file
    real = Path(os.path.realpath(top))
    parts = PurePosixPath(name.lstrip("/")).parts
    for count in range(1, len(parts) + 1):
        inside = Path(*parts[:count])
        link = top / inside
        if os.path.islink(link) and not leads_into(real, link) and not ignored(inside):
            raise InvalidError(
                f"the symbolic link {inside.as_posix()!r} leads out of the build context "
                f"{str(top)!r}"
            )


def _found(top: Path, dockerfile: Path | None) -> list[str]:
    """The lines of the most specific `.dockerignore`, where Docker and Modal look for it."""
    places = [top / _IGNORED]
    if dockerfile is not None:
        own = dockerfile.with_name(f"{dockerfile.name}{_IGNORED}")
        places = [own, dockerfile.with_name(_IGNORED), *places]
    place = next((each for each in places if each.is_file()), None)
    return [] if place is None else place.read_text("utf-8").splitlines()
