"""A simple model of the files of a sandbox, which a machine compares engines with.

It has no modes, owners or times, and no permissions. Its errors are those of the manual pages:
path_resolution(7), open(2), mkdir(2), rename(2), link(2), and mv(1) and ln(1) of coreutils.
"""

import copy
import errno
import os
import posixpath
from collections.abc import Callable, Iterator
from dataclasses import field
from typing import NoReturn

from pytest_sandbox._shared.lazy_dataclass import dataclass

from ._trees import Tree

#: Links that may be followed on the way to one file: path_resolution(7).
_MAX_LINKS = 40


@dataclass(eq=False)
class ModelFile:
    """A regular file."""

    data: bytearray = field(default_factory=bytearray)

    def write(self, offset: int, data: bytes) -> None:
        """Write bytes at an offset; a gap before them is filled with zeros."""
        if data:
            self.resize(max(len(self.data), offset + len(data)))
            self.data[offset : offset + len(data)] = data

    def resize(self, size: int) -> None:
        """Shorten it, or extend it with zeros."""
        del self.data[size:]
        self.data.extend(bytes(size - len(self.data)))


@dataclass(eq=False)
class ModelSymlink:
    """A symbolic link."""

    target: str


@dataclass(eq=False)
class ModelDirectory:
    """A directory."""

    names: dict[str, "ModelNode"] = field(default_factory=dict)
    #: What is mounted on it, and is seen instead.
    cover: "ModelDirectory | None" = None


ModelNode = ModelFile | ModelSymlink | ModelDirectory


@dataclass(frozen=True)
class ModelPlace:
    """Where a path leads: a name in a directory, and the node of that name, if there is one."""

    parent: ModelDirectory
    name: str
    node: ModelNode | None

    def put(self, node: ModelNode) -> None:
        """Put a node there."""
        self.parent.names[self.name] = node

    def clear(self) -> None:
        """Remove the name."""
        del self.parent.names[self.name]


class Model:
    """A tree of files.

    Args:
        root: the directory that it begins with, absolute, and those above.
    """

    def __init__(self, root: str) -> None:
        self.top = ModelDirectory()
        self.mkdir(root, parents=True)

    def node(self, path: str, *, follow: bool = True) -> ModelNode:
        """What a path leads to."""
        return self._at(path, follow=follow).node or _fail(errno.ENOENT)

    def directory(self, path: str) -> ModelDirectory:
        """The directory that a path leads to."""
        node = self.node(path)
        return node if isinstance(node, ModelDirectory) else _fail(errno.ENOTDIR)

    def exists(self, path: str) -> bool:
        """Whether a path leads to anything, by way of links."""
        return self._is(path, object)

    def is_directory(self, path: str) -> bool:
        """Whether a path leads to a directory, by way of links."""
        return self._is(path, ModelDirectory)

    def open(self, path: str, flags: int) -> ModelFile:
        """The regular file that `open(2)` would open, with what it does to it."""
        exclusive = flags & os.O_CREAT and flags & os.O_EXCL
        place = self._at(path, follow=not (exclusive or flags & os.O_NOFOLLOW))
        if place.node is None:
            if not flags & os.O_CREAT:
                _fail(errno.ENOENT)
            place.put(created := ModelFile())
            return created
        if exclusive:
            _fail(errno.EEXIST)
        if isinstance(place.node, ModelSymlink):
            _fail(errno.ELOOP)
        if isinstance(place.node, ModelDirectory):
            _fail(errno.EISDIR)
        if flags & os.O_TRUNC:
            place.node.resize(0)
        return place.node

    def mkdir(self, path: str, *, parents: bool = False) -> None:
        """Make a directory, or with `parents` all that is missing, as `os.makedirs` does."""
        if not parents:
            self._free(path).put(ModelDirectory())
            return
        above = posixpath.dirname(path)
        if not self.exists(above):
            self.mkdir(above, parents=True)
        if not self.is_directory(path):
            self.mkdir(path)

    def remove(self, path: str, *, recursive: bool = False) -> None:
        """Remove a file, a link, or a directory."""
        place = self._at(path, follow=False)
        if place.node is None:
            _fail(errno.ENOENT)
        if isinstance(place.node, ModelDirectory) and place.node.names and not recursive:
            _fail(errno.ENOTEMPTY)
        place.clear()

    def symlink(self, target: str, path: str) -> None:
        """`ln -sn`, to a name that is free."""
        self._into(path, target, follow=False).put(ModelSymlink(target))

    def link(self, path: str, other: str) -> None:
        """`ln`: a further name for what is no directory; a link to a link is one too."""
        node = self.node(path, follow=False)
        if isinstance(node, ModelDirectory):
            _fail(errno.EPERM)
        self._into(other, path).put(node)

    def move(self, path: str, target: str) -> None:
        """`mv`, into `target` if that is a directory."""
        source = self._at(path, follow=False)
        node = source.node or _fail(errno.ENOENT)
        place = self._at(self._within(target, path), follow=False)
        if place.node is node or self._points_at(path, node, place):
            _fail(errno.EINVAL)  # mv(1): they are the same file
        if isinstance(node, ModelDirectory):
            if place.parent in _below(node):
                _fail(errno.EINVAL)
            if place.node is not None and not isinstance(place.node, ModelDirectory):
                _fail(errno.ENOTDIR)
        if isinstance(place.node, ModelDirectory):
            if not isinstance(node, ModelDirectory):
                _fail(errno.EISDIR)
            if place.node.names:
                _fail(errno.ENOTEMPTY)
        source.clear()
        place.put(node)

    def copy(self, path: str, target: str) -> None:
        """A directory again under a name that is free; names of one file stay that."""
        directory = self.directory(path)
        self._free(target).put(copy.deepcopy(directory))

    def write_tree(self, path: str, tree: Tree) -> None:
        """Make the files of a tree in a directory."""
        for name, node in tree.items():
            place = self._look(self.directory(path), name)
            if isinstance(node, dict):
                place.put(ModelDirectory())
                self.write_tree(f"{path}/{name}", node)
            else:
                place.put(
                    ModelFile(bytearray(node))
                    if isinstance(node, bytes)
                    else ModelSymlink(node.target)
                )

    def mount(self, path: str, directory: ModelDirectory) -> None:
        """Mount a directory over another one."""
        self.directory(path).cover = directory

    def unmount(self, path: str) -> None:
        """Undo the latest mount."""
        if not self.mounted(path):
            _fail(errno.EINVAL)
        under = self._under(path)
        while under.cover is not None and under.cover.cover is not None:
            under = under.cover
        under.cover = None

    def mounted(self, path: str) -> bool:
        """Whether something is mounted on a directory."""
        return self._under(path).cover is not None

    def bare(self) -> "Model":
        """A copy without mounts."""
        copied = copy.deepcopy(self)
        for directory in _below(copied.top):
            directory.cover = None
        return copied

    def _under(self, path: str) -> ModelDirectory:
        place = self._at(path, follow=True)
        under = place.parent.names.get(place.name)
        return under if isinstance(under, ModelDirectory) else self.directory(path)

    def below(self, path: str) -> Iterator[tuple[str, ModelNode]]:
        """Every path below a directory, and what it leads to; links are not followed."""
        for name, node in self.directory(path).names.items():
            yield f"{path}/{name}", node
            if isinstance(node, ModelDirectory):
                yield from self.below(f"{path}/{name}")

    def _points_at(self, path: str, node: ModelNode, place: ModelPlace) -> bool:
        """Whether a link leads to that very name of a file."""
        if not (isinstance(node, ModelSymlink) and isinstance(place.node, ModelFile)):
            return False
        end = outcome(lambda: self._at(path, follow=True))
        return isinstance(end, ModelPlace) and (end.parent, end.name) == (place.parent, place.name)

    def _into(self, path: str, source: str, *, follow: bool = True) -> ModelPlace:
        return self._free(self._within(path, source, follow=follow))

    def _within(self, path: str, source: str, *, follow: bool = True) -> str:
        """Where coreutils put something: into a directory, under the name that it has."""
        linked = not follow and isinstance(self._at(path, follow=False).node, ModelSymlink)
        if self.is_directory(path) and not linked:
            return posixpath.join(path, posixpath.basename(source.rstrip("/")))
        return path

    def _free(self, path: str) -> ModelPlace:
        place = self._at(path, follow=False)
        return place if place.node is None else _fail(errno.EEXIST)

    def _is(self, path: str, kind: type) -> bool:
        try:
            return isinstance(self.node(path), kind)
        except OSError:
            return False

    def _at(self, path: str, *, follow: bool) -> ModelPlace:
        stack, todo, links = [self.top], path.split("/")[::-1], 0
        while todo:
            part = todo.pop()
            if part == "..":
                stack = stack[:-1] or stack
            if part in ("", ".", ".."):
                continue
            place = self._look(stack[-1], part)
            if isinstance(place.node, ModelSymlink) and (todo or follow):
                links += 1
                if links > _MAX_LINKS:
                    _fail(errno.ELOOP)
                if place.node.target.startswith("/"):
                    stack = [self.top]
                todo += place.node.target.split("/")[::-1]
            elif not todo:
                return place
            elif place.node is None:
                _fail(errno.ENOENT)
            elif not isinstance(place.node, ModelDirectory):
                _fail(errno.ENOTDIR)
            else:
                stack.append(place.node)
        return ModelPlace(stack[-1], "", stack[-1])

    def _look(self, directory: ModelDirectory, name: str) -> ModelPlace:
        if len(name.encode("utf-8", "surrogateescape")) > 255:
            _fail(errno.ENAMETOOLONG)
        node = directory.names.get(name)
        while isinstance(node, ModelDirectory) and node.cover is not None:
            node = node.cover
        return ModelPlace(directory, name, node)


def _below(directory: ModelDirectory) -> Iterator[ModelDirectory]:
    yield directory
    for node in directory.names.values():
        if isinstance(node, ModelDirectory):
            yield from _below(node)


def _fail(number: int) -> NoReturn:
    raise OSError(number, os.strerror(number))


def outcome(work: Callable[[], object]) -> object:
    """The result of a call, or the name of the error that it fails with."""
    try:
        return work()
    except OSError as error:
        return errno.errorcode[error.errno or 0]
