"""The context of a build: the local files that its lines take."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pytest_sandbox._shared.dockerfile.context import context_patterns
from pytest_sandbox._shared.dockerfile.instruction import DockerfileError

from ..exceptions import InvalidError
from .local_tree import directory
from .patterns import ignoring

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Sequence

    from .local_tree import LocalTree

__tracebackhide__ = True  # a failing test shows the caller's line, not these

_IGNORED = ".dockerignore"


def context_files_of(
    lines: Sequence[str],
    context_dir: str | os.PathLike[str] | None,
    ignore: Sequence[str] | Callable[[Path], bool] | None,
    dockerfile: Path | None = None,
) -> LocalTree | None:
    """The files that lines take; `None` if they take none.

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
    return directory(top, "/", lambda path: not taken(path) or ignored(path))


def _found(top: Path, dockerfile: Path | None) -> list[str]:
    """The lines of the most specific `.dockerignore`, where Docker and Modal look for it."""
    places = [top / _IGNORED]
    if dockerfile is not None:
        own = dockerfile.with_name(f"{dockerfile.name}{_IGNORED}")
        places = [own, dockerfile.with_name(_IGNORED), *places]
    place = next((each for each in places if each.is_file()), None)
    return [] if place is None else place.read_text("utf-8").splitlines()
