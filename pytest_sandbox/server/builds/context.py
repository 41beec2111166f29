"""The context of a build: the files that COPY takes, and which of them a source names."""

import fnmatch
import hashlib
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import field
from functools import cached_property

from pytest_sandbox._proto import images_pb2
from pytest_sandbox._shared import relative_path
from pytest_sandbox._shared.dockerfile.patterns import regex
from pytest_sandbox._shared.lazy_dataclass import dataclass
from pytest_sandbox.engine import EntryKind

from ..model.local_files import LocalFile
from ..rpc.errors import invalid
from ..volumes.tar_stream import NewFile
from ..volumes.uploads import Upload

Parts = tuple[str, ...]

#: Symbolic links that are followed for one name: path_resolution(7).
MOST_LINKS = 40


@dataclass(frozen=True)
class CopiedFile:
    """A file to be copied.

    Attributes:
        path: where, relative to the target.
        file: its content and mode.
        named: whether a source names the file, not a directory that it is in.
    """

    path: Parts
    file: LocalFile
    named: bool = False

    @property
    def identity(self) -> tuple[str, str, int, str]:
        """What tells it from others: its place, content, mode and kind."""
        file = self.file
        return "/".join(self.path), file.upload.digest, file.mode, file.kind.value

    def new(self, path: Parts, mode: int | None, owner: tuple[int, int] | None = None) -> NewFile:
        """It, to be written below a directory."""
        upload, kind = self.file.upload, self.file.kind

        async def content() -> AsyncIterator[bytes]:
            for data in upload.chunks():
                yield data

        chosen = self.file.mode if mode is None else mode
        place, ids = "/".join(path), owner or (0, 0)
        if kind is EntryKind.FILE:
            return NewFile(place, chosen, upload.size, content, *ids)
        target = self.file.target if kind is EntryKind.SYMLINK else ""
        return NewFile(place, chosen, 0, None, *ids, target)


@dataclass(frozen=True)
class BuildContext:
    """Files by their paths, relative to the root of the context."""

    files: Mapping[Parts, LocalFile] = field(default_factory=dict)

    @classmethod
    def of(
        cls, mounted: Iterable[LocalFile], given: Iterable[images_pb2.ImageContextFile]
    ) -> "BuildContext":
        """The context of a definition: the files of its mount, and those in it.

        Raises:
            GRPCError: INVALID_ARGUMENT.
        """
        files = {_parts(file.path): file for file in mounted}
        for one in given:
            upload = Upload()
            upload.write(one.data)
            files[_parts(one.filename)] = LocalFile(one.filename, upload)
        return cls(files)

    def select(
        self, source: str, exclude: Sequence[str] = (), *, by: str = "COPY"
    ) -> tuple[list[CopiedFile], bool]:
        """The files that a source of COPY names, and whether it is one file by its name.

        Of a directory, what is in it is copied, not the directory itself; links in it stay links. A
        source that is a link, or has one on its way, is followed, and never out of the context. A
        pattern is one of fnmatch(3), for each name on the way. What matches `exclude` is left out,
        by its path in the source. `by` says in errors what names it.

        Raises:
            GRPCError: INVALID_ARGUMENT: there are none.
        """
        found: list[CopiedFile] = []
        by_name = 0
        places = self._find(_parts(source, by))
        for name, place in places:
            for path, file in self.files.items():
                if path[: len(place)] != place:
                    continue
                below = path[len(place) :]
                if not below and file.kind is EntryKind.DIRECTORY:
                    continue  # what is in it is copied
                if left_out(below or (name,), exclude):
                    continue
                by_name += not below
                found.append(CopiedFile(below or (name,), file, named=not below))
        if not places:
            raise invalid(f"{by}: {source!r} is not among the {len(self.files)} files of the build")
        return sorted(found, key=lambda each: each.path), len(found) == by_name == 1

    @cached_property
    def _names(self) -> dict[Parts, set[str]]:
        """The names in each directory."""
        names: dict[Parts, set[str]] = {(): set()}
        for path in self.files:
            for depth in range(len(path), 0, -1):
                inside = names.setdefault(path[: depth - 1], set())
                if path[depth - 1] in inside:
                    break
                inside.add(path[depth - 1])
        return names

    def _find(self, pattern: Parts) -> list[tuple[str, Parts]]:
        """What is there by a path or a pattern: names, and where they lead."""
        found: list[tuple[str, Parts]] = [("", ())]
        for part in pattern:
            names = [
                (name, (*place, name))
                for _, place in found
                for name in sorted(self._names.get(place, ()))
                if fnmatch.fnmatchcase(name, part)
            ]
            followed = [(name, self._followed(path)) for name, path in names]
            found = [(name, place) for name, place in followed if place is not None]
        return found

    def _followed(self, path: Parts) -> Parts | None:
        """Where a path leads, which stays among these files; `None` if that is not there."""
        place: Parts = ()
        rest = list(path)
        links = 0
        while rest:
            part = rest.pop(0)
            if part in ("", "."):
                continue
            place = place[:-1] if part == ".." else (*place, part)
            file = self.files.get(place)
            if file is None and place not in self._names:
                return None
            if file is not None and file.kind is EntryKind.SYMLINK:
                links += 1
                if links > MOST_LINKS:
                    return None
                target = file.target
                rest = [*target.split("/"), *rest]
                place = () if target.startswith("/") else place[:-1]
        return place


def left_out(path: Sequence[str], patterns: Iterable[str]) -> bool:
    """Whether a pattern of --exclude matches a path, or a directory that it is in."""
    return any(regex(pattern).fullmatch("/".join(path)) for pattern in patterns)


def _parts(path: str, by: str = "COPY") -> Parts:
    try:
        return relative_path.parts(path.lstrip("/"))
    except ValueError as error:
        raise invalid(f"{by}: {error}") from None


def identity(files: Iterable[CopiedFile]) -> str:
    """A digest of what is copied."""
    lines = sorted(repr(file.identity) for file in files)
    return hashlib.sha256("\n".join(lines).encode("utf-8", "surrogatepass")).hexdigest()
