"""The context of a build: the files that COPY takes, and which of them a source names."""

import fnmatch
import hashlib
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from pytest_sandbox._proto import images_pb2
from pytest_sandbox._shared import relative_path
from pytest_sandbox._shared.dockerfile.patterns import regex

from ..model.local_files import LocalFile
from ..rpc.errors import invalid
from ..volumes.tar_stream import NewFile
from ..volumes.uploads import Upload

Parts = tuple[str, ...]


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
    def identity(self) -> tuple[str, str, int]:
        """What tells it from others: its place, content and mode."""
        return "/".join(self.path), self.file.upload.digest, self.file.mode

    def new(self, path: Parts, mode: int | None, owner: tuple[int, int] | None = None) -> NewFile:
        """It, to be written below a directory."""
        upload = self.file.upload

        async def content() -> AsyncIterator[bytes]:
            for data in upload.chunks():
                yield data

        chosen = self.file.mode if mode is None else mode
        uid, gid = owner or (0, 0)
        return NewFile("/".join(path), chosen, upload.size, content, uid, gid)


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

    def select(self, source: str, exclude: Sequence[str] = ()) -> tuple[list[CopiedFile], bool]:
        """The files that a source of COPY names, and whether it is one file by its name.

        Of a directory, what is in it is copied, not the directory itself. A pattern is one of
        fnmatch(3), for each name on the way. What matches `exclude` is left out, by its path
        in the source.

        Raises:
            GRPCError: INVALID_ARGUMENT: there are none.
        """
        wanted = _parts(source)
        found: list[CopiedFile] = []
        by_name = 0
        for path, file in self.files.items():
            if len(path) < len(wanted) or not _match(path, wanted):
                continue
            below = path[len(wanted) :]
            if left_out(below or path[-1:], exclude):
                continue
            by_name += not below
            found.append(CopiedFile(below or path[-1:], file, named=not below))
        if not found:
            raise invalid(f"COPY: {source!r} is not among the {len(self.files)} files of the build")
        return sorted(found, key=lambda each: each.path), len(found) == by_name == 1


def left_out(path: Sequence[str], patterns: Iterable[str]) -> bool:
    """Whether a pattern of --exclude matches a path, or a directory that it is in."""
    return any(regex(pattern).fullmatch("/".join(path)) for pattern in patterns)


def _match(path: Sequence[str], pattern: Sequence[str]) -> bool:
    return all(fnmatch.fnmatchcase(name, part) for name, part in zip(path, pattern, strict=False))


def _parts(path: str) -> Parts:
    try:
        return relative_path.parts(path.lstrip("/"))
    except ValueError as error:
        raise invalid(f"COPY: {error}") from None


def identity(files: Iterable[CopiedFile]) -> str:
    """A digest of what is copied."""
    lines = sorted(repr(file.identity) for file in files)
    return hashlib.sha256("\n".join(lines).encode("utf-8", "surrogatepass")).hexdigest()
