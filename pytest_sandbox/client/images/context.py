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
#: Symbolic links that are followed for one name: path_resolution(7).
_MOST_LINKS = 40


def context_files_of(
    lines: Sequence[str],
    context_dir: str | os.PathLike[str] | None,
    ignore: Sequence[str] | Callable[[Path], bool] | None,
    dockerfile: Path | None = None,
) -> LocalTree | None:
    """The files that lines take; `None` if they take none.

    A symbolic link is a link in the image too. One that a line names is followed; if it leads out
    of the directory, the upload of the files raises `InvalidError`.

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
    followed: set[Path] = set()

    def left_out(path: Path) -> bool:
        named = taken(path) or not followed.isdisjoint((path, *path.parents))
        return not named or ignored(path)

    tree = directory(top, "/", left_out, as_it_is=True)

    def files() -> Iterator[TreeFile]:
        followed.clear()
        for name in wanted:
            for each in _named(top, name):
                _refuse_link_out(top, each, ignored)
                followed.update(_links_on_the_way(top, each))
        yield from tree.files()

    return LocalTree(files, repr(tree))


def _named(top: Path, name: str) -> list[str]:
    """The file that a line names, or the links that stay in the context, by a pattern."""
    if not any(letter in name for letter in "*?["):
        return [name]
    real = Path(os.path.realpath(top))
    links = (path for path in top.glob(name.lstrip("/")) if path.is_symlink())
    return [path.relative_to(top).as_posix() for path in links if leads_into(real, path)]


def _links_on_the_way(top: Path, name: str) -> Iterator[Path]:
    """The symbolic links in a path, and what it leads to; all of them in the context."""
    real = Path(os.path.realpath(top))
    place, rest = Path(), list(PurePosixPath(name.lstrip("/")).parts)
    for _ in range(_MOST_LINKS):
        while rest and not (real / place).is_symlink():
            part = rest.pop(0)
            place = place.parent if part == ".." else place / part
        if not (real / place).is_symlink():
            yield place
            return
        yield place
        target = os.readlink(real / place)
        if os.path.isabs(target):
            place, target = Path(), os.path.relpath(os.path.realpath(target), real)
        else:
            place = place.parent
        rest = [*PurePosixPath(target).parts, *rest]


def _refuse_link_out(top: Path, name: str, ignored: Callable[[Path], bool]) -> None:
    """Raise `InvalidError` if the name of a file has a link that leads out of the context."""
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
