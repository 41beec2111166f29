"""Local files that are added to an image: which ones, and how they get to the server."""

from __future__ import annotations

import asyncio
import importlib.util
import io
import os
import stat
from dataclasses import field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, BinaryIO

from pytest_sandbox._proto import volumes_pb2 as pb
from pytest_sandbox._proto.common_pb2 import (
    OBJECT_CREATION_TYPE_ANONYMOUS_OWNED_BY_APP,
    OBJECT_CREATION_TYPE_EPHEMERAL,
)
from pytest_sandbox._shared.lazy_dataclass import dataclass

from ..exceptions import InvalidError
from ..files.uploads import LocalContent, upload

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from ..base_client import BaseClient

__tracebackhide__ = True  # a failing test shows the caller's line, not these

#: Where Python sources go, as at Modal.
_SOURCES = PurePosixPath("/root")


@dataclass(frozen=True, order=True)
class TreeFile:
    """A local file with the path that it gets.

    Args:
        local: where it is.
        remote: the path that it gets.
        within: the directory, without symbolic links, that it must be in; any if `None`.
        kind: a file, a directory of which nothing but the mode counts, or a symbolic link: one of
            the types of `stat`.
    """

    local: Path
    remote: str
    within: Path | None = field(default=None, compare=False)
    kind: int = field(default=stat.S_IFREG, compare=False)

    def open(self) -> BinaryIO:
        """The file, to be read.

        Raises:
            InvalidError: it has become a symbolic link that leads out of `within`.
            OSError: it cannot be read.
        """
        if self.kind != stat.S_IFREG:
            return io.BytesIO(os.fsencode(self._target()) if self.kind == stat.S_IFLNK else b"")
        if self.within is None:
            return self.local.open("rb")
        file = self.local.open("rb")
        try:
            # The path may have changed since the directory was listed: the file that is open must
            # be the one that the path without links names.
            real = Path(os.path.realpath(self.local))
            inside = real.is_relative_to(self.within)
            if not inside or not os.path.samestat(os.fstat(file.fileno()), real.lstat()):
                raise InvalidError(f"{str(self.local)!r} leads out of the build context")
        except BaseException:
            file.close()
            raise
        return file

    @property
    def mode(self) -> int:
        """Its permission bits, and what it is unless it is a file."""
        mode = stat.S_IMODE(os.lstat(self.local).st_mode)
        return mode if self.kind == stat.S_IFREG else mode | self.kind

    def _target(self) -> str:
        """Where the symbolic link leads; relative if that is in `within`."""
        target = os.readlink(self.local)
        real = os.path.realpath(os.path.dirname(self.local))
        if self.within is not None and os.path.isabs(target) and leads_into(self.within, target):
            return os.path.relpath(os.path.realpath(target), real)
        return target


class LocalTree:
    """Local files with the paths that they get.

    Args:
        files: gives them when they are needed.
        described: what they are, for messages.
    """

    def __init__(self, files: Callable[[], Iterator[TreeFile]], described: str) -> None:
        self.files = files
        self._described = described

    def __repr__(self) -> str:
        return self._described

    async def upload(self, client: BaseClient, app_id: str = "") -> str:
        """Send what the server does not have; the id under which it has the files.

        Args:
            client: of the server.
            app_id: of the app that they are for, with which they are deleted, if there is one.

        Raises:
            InvalidError: the name of a file is not UTF-8, or a link leads out of a build context.
            OSError: a file cannot be read.
        """
        found = await asyncio.to_thread(lambda: sorted(self.files()))
        entries = [(file, *(await asyncio.to_thread(_entry, file))) for file in found]
        request = pb.MountBatchedCheckExistenceRequest(
            sha256_hex_hashes=sorted({entry.sha256_hex for _, entry, _ in entries})
        )
        answer = await client.calls.control(
            lambda link: link.control.MountBatchedCheckExistence, request
        )
        missing = set(answer.missing_sha256_hex_hashes)
        for file, entry, content in entries:
            if entry.sha256_hex in missing:
                missing.remove(entry.sha256_hex)
                with file.open() as opened:
                    await upload(client, opened, content)
        mount = pb.MountGetOrCreateRequest(
            files=[entry for _, entry, _ in entries],
            app_id=app_id,
            object_creation_type=OBJECT_CREATION_TYPE_ANONYMOUS_OWNED_BY_APP
            if app_id
            else OBJECT_CREATION_TYPE_EPHEMERAL,
        )
        response = await client.calls.control(lambda link: link.control.MountGetOrCreate, mount)
        return response.mount_id


def single_file(local_path: str | os.PathLike[str], remote_path: str) -> LocalTree:
    """One file."""
    remote = _absolute(remote_path, "add_local_file")
    if remote.endswith("/"):
        remote += Path(local_path).name

    def files() -> Iterator[TreeFile]:
        yield TreeFile(Path(local_path).expanduser(), remote)

    return LocalTree(files, f"the file {os.fspath(local_path)!r}")


def directory(
    local_path: str | os.PathLike[str],
    remote_path: str,
    ignored: Callable[[Path], bool],
    *,
    as_it_is: bool = False,
) -> LocalTree:
    """The files in a directory, except those that are ignored, by their paths in it.

    Args:
        local_path: of the directory.
        remote_path: where they go, absolute.
        ignored: says of a path in the directory whether it is left out.
        as_it_is: take symbolic links and directories as such, as Docker does. If not set, symbolic
            links to files are followed, wherever these are, and all else is left out.
    """
    remote = PurePosixPath(_absolute(remote_path, "add_local_dir"))

    def files() -> Iterator[TreeFile]:
        top = Path(local_path).expanduser()
        if not top.is_dir():
            raise NotADirectoryError(f"{str(top)!r} is not a directory")
        within = Path(os.path.realpath(top)) if as_it_is else None
        for path in top.rglob("*"):
            inside = path.relative_to(top)
            kind = _kind(path, as_it_is=as_it_is)
            if kind is not None and not ignored(inside):
                yield TreeFile(path, str(remote / inside.as_posix()), within, kind)

    return LocalTree(files, f"the directory {os.fspath(local_path)!r}")


def python_source(module: str, ignored: Callable[[Path], bool] | None) -> LocalTree:
    """The source of a module, or of a package with all in it, as `import` finds it here."""
    spec = importlib.util.find_spec(module)
    if spec is None or (spec.origin in (None, "built-in") and not spec.submodule_search_locations):
        raise InvalidError(f"there is no Python source of a module {module!r} to add")
    *above, name = module.split(".")
    target = _SOURCES.joinpath(*above)
    if spec.submodule_search_locations is None:
        return single_file(str(spec.origin), str(target / Path(str(spec.origin)).name))
    return sources(
        [
            directory(place, str(target / name), ignored or _no_source)
            for place in spec.submodule_search_locations
        ]
    )


def sources(trees: Sequence[LocalTree]) -> LocalTree:
    """All files of several trees."""

    def files() -> Iterator[TreeFile]:
        for tree in trees:
            yield from tree.files()

    return LocalTree(files, ", ".join(map(repr, trees)))


def leads_into(top: Path, path: str | Path) -> bool:
    """Whether a path, with all its symbolic links followed, is in a directory without any."""
    return Path(os.path.realpath(path)).is_relative_to(top)


def _kind(path: Path, *, as_it_is: bool) -> int | None:
    """What is taken of a path; `None` if nothing is."""
    if as_it_is and path.is_symlink():
        return stat.S_IFLNK
    if as_it_is and path.is_dir():
        return stat.S_IFDIR
    return stat.S_IFREG if path.is_file() else None


def _no_source(path: Path) -> bool:
    """Whether it is left out of a package unless the caller says otherwise, as at Modal."""
    hidden = any(part.startswith(".") or part == "__pycache__" for part in path.parts)
    return hidden or path.suffix != ".py"


def _absolute(path: str, call: str) -> str:
    if not isinstance(path, str) or not path.startswith("/"):
        raise InvalidError(f"{call}: remote_path={path!r} must be an absolute path")
    return path


def _entry(source: TreeFile) -> tuple[pb.MountFile, LocalContent]:
    """What the server is told of a file, and what is in it."""
    try:
        source.remote.encode()
    except UnicodeEncodeError:
        raise InvalidError(
            f"the name of {os.fsencode(source.local)!r} is not UTF-8: rename the file, or leave it "
            "out with `ignore`"
        ) from None
    with source.open() as file:
        content = LocalContent.of(file)
    mode = source.mode if source.kind != stat.S_IFREG else os.stat(source.local).st_mode & 0o7777
    entry = pb.MountFile(filename=source.remote, sha256_hex=content.sha256.hex(), mode=mode)
    return entry, content
