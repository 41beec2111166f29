"""Writing what a tar holds below a directory, whatever that directory is made of."""

from __future__ import annotations

import contextlib

from .. import relative_path
from .member import MemberKind, TarError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from .member import Member
    from .reader import Reader

    Parts = tuple[str, ...]

_SHOWN = 80


class Target:
    """A tree of directories, one of which is entered at a time; errors are `OSError`.

    Names are single names in the entered directory. What is made replaces a file or link of its
    name; a directory of that name is an error. Subclasses refuse what they do not want to write
    with `TarError`.
    """

    def enter(self, parts: Parts, *, make: bool) -> None:
        """Enter a directory by its names from the top down; links on the way are errors.

        Args:
            parts: the names.
            make: whether directories that do not exist are made.
        """
        raise NotImplementedError

    def file(self, name: str, member: Member, contents: Iterable[tuple[int, bytes]]) -> None:
        """Make a regular file, with its attributes; `contents` gives offsets and bytes."""
        raise NotImplementedError

    def symlink(self, name: str, member: Member) -> None:
        """Make a symbolic link, with its attributes."""
        raise NotImplementedError

    def hard_link(self, name: str, member: Member, source: Parts) -> None:
        """Make another name of the file at `source`."""
        raise NotImplementedError

    def special(self, name: str, member: Member) -> None:
        """Make a device or a pipe, with its attributes."""
        raise NotImplementedError

    def complete(self, member: Member) -> None:
        """Give the entered directory its attributes, unless it was there before."""
        raise NotImplementedError


def unpack(reader: Reader, target: Target) -> None:
    """Write all members.

    Raises:
        TarError: the stream is damaged, or a member would not stay below the directory.
        OSError: from the target; what it is about is the name of the member.
    """
    # By path, not by names: a deep one has many.
    directories: dict[str, Member] = {}
    for member in reader:
        with _about(member.name):
            _write(reader, member, target, directories)
    # Last, and the deepest first: what is written into a directory changes its times, and its
    # mode may forbid to write into it at all.
    for path in sorted(directories, key=_depth, reverse=True):
        with _about(path):
            target.enter(relative_path.parts(path), make=True)
            target.complete(directories[path])


def _depth(path: str) -> int:
    return len(relative_path.parts(path))


@contextlib.contextmanager
def _about(name: str) -> Iterator[None]:
    """Have errors of the kernel name the member.

    Raises:
        TarError: Python cannot give the kernel the name, or the target of a link: its encoding for
            files, that of the locale, lacks a character.
    """
    try:
        yield
    except UnicodeEncodeError as error:
        raise TarError(f"{name[:_SHOWN]!r} has no form in {error.encoding}, the locale's") from None
    except OSError as error:
        if error.errno is None:
            raise
        raise OSError(error.errno, error.strerror, name[:_SHOWN]) from error


def _write(reader: Reader, member: Member, target: Target, directories: dict[str, Member]) -> None:
    parts = _parts(member.name)
    if member.kind is MemberKind.DIRECTORY:
        target.enter(parts, make=True)
        directories["/".join(parts)] = member
        return
    if not parts:
        raise TarError(f"{member.name[:_SHOWN]!r} would replace the directory itself")
    name = parts[-1]
    target.enter(parts[:-1], make=True)
    if member.kind is MemberKind.FILE:
        target.file(name, member, reader.contents(member))
    elif member.kind is MemberKind.SYMLINK:
        target.symlink(name, member)
    elif member.kind is MemberKind.HARD_LINK:
        source = _parts(member.target)
        if not source:
            raise TarError(f"{member.name[:_SHOWN]!r} is a hard link to a directory")
        target.hard_link(name, member, source)
    else:
        target.special(name, member)


def _parts(name: str) -> Parts:
    try:
        return relative_path.parts(name)
    except ValueError as error:
        raise TarError(str(error)) from None
