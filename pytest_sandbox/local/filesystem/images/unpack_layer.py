"""Unpacking the tar of a layer: OCI's image specification, "Image Layer Filesystem Changeset".

A name that begins with `.wh.` removes what the layers below have, wherever it stands in the tar;
`.wh..wh..opq` all that they have in its directory. Other names that begin so are notes of AUFS.
"""

from __future__ import annotations

import contextlib
import errno
import os

from pytest_sandbox._shared import relative_path
from pytest_sandbox._shared.tar.member import MemberKind, TarError
from pytest_sandbox._shared.tar.reader import Reader

from .layer_tree import LayerTree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pytest_sandbox._shared.tar.member import Member

    from .layers_below import LayersBelow, Parts
    from .member_attributes import Owners

_WHITEOUT = ".wh."
_OPAQUE = ".wh..wh..opq"
_NOTES = ".wh..wh."
#: Members that a layer may have; the largest images have some hundred thousand files.
MOST_MEMBERS = 4_000_000
#: Characters of all paths of directories together, whose times are set at the end.
_MOST_REMEMBERED = 1 << 28
#: Bytes of a path: PATH_MAX of path_resolution(7), with which no program can use a longer one.
_LONGEST = 4095
_BLOCK = 4096  # of most file systems
_SHOWN = 80
_DEVICES = (MemberKind.CHARACTER_DEVICE, MemberKind.BLOCK_DEVICE)


class UnpackedTree:
    """What became of a layer.

    Attributes:
        size: bytes that its files take, about.
        borrowed: whether it depends on what the layers below have.
        opaque: whether nothing of the layers below shows.
        root: whether it has the directory of all files, with attributes for it.
    """

    __slots__ = ("borrowed", "opaque", "root", "size")

    def __init__(self, size: int, *, borrowed: bool, opaque: bool, root: bool) -> None:
        self.size = size
        self.borrowed = borrowed
        self.opaque = opaque
        self.root = root


def unpack_layer(
    read: Callable[[int], bytes], root: int, below: LayersBelow, owners: Owners, most: int
) -> UnpackedTree:
    """Unpack a layer.

    Args:
        read: gives so many bytes of the tar, fewer only at its end.
        root: descriptor of an empty directory.
        below: the layers that it was made on.
        owners: those that files can have.
        most: bytes that it may take.

    Raises:
        TarError: it is damaged, or has what a layer may not have; names the member.
        OSError: `EFBIG` for one that takes more than it may; or what the kernel said.
    """
    tree = LayerTree(root, below, owners)
    before = os.umask(0)  # so that files can be made with the modes that they get
    try:
        unpacking = _Unpacking(tree, most)
        # As tar(1) reads a file without a byte. The caller's digest shows if it was cut off.
        reader = Reader(read, extended=True, may_be_empty=True)
        for member in reader:
            try:
                unpacking.add(member, reader.contents)
            except (TarError, OSError) as error:  # noqa: PERF203 - which the member is of
                raise _about(member.name, error) from None
        unpacking.finish()
        return UnpackedTree(
            unpacking.size, borrowed=tree.borrowed, opaque=tree.opaque, root=unpacking.root
        )
    finally:
        os.umask(before)
        tree.close()


class _Unpacking:
    def __init__(self, tree: LayerTree, most: int) -> None:
        self.size = 0
        self.root = False
        self._tree = tree
        self._most = most
        self._members = 0
        self._folder: str | None = None  # that of the latest member, as text and as names
        self._parts: Parts = ()
        self._times: dict[Parts, int] = {}
        self._remembered = 0

    def add(
        self, member: Member, contents: Callable[[Member], Iterable[tuple[int, bytes]]]
    ) -> None:
        self._count(member)
        parts = self._path_of(member.name)
        if parts and parts[0].startswith(_NOTES) and parts[-1] != _OPAQUE:
            return
        if parts and parts[-1].startswith(_WHITEOUT):
            self._whiteout(parts[-1], parts[:-1])
            return
        if member.kind is MemberKind.DIRECTORY:
            self._directory(parts, member)
            return
        if not parts:
            raise TarError("it would replace the directory of all files")
        name = parts[-1]
        if member.kind in _DEVICES:
            return  # a sandbox has those that it may have, and can make none
        tree = self._tree
        tree.enter(parts[:-1])
        if member.kind is MemberKind.FILE:
            tree.file(name, member, contents(member))
        elif member.kind is MemberKind.SYMLINK:
            tree.symlink(name, member)
        elif member.kind is MemberKind.FIFO:
            tree.pipe(name, member)
        else:
            source = path_of(member.target)
            if not source:
                raise TarError("it is a hard link to the directory of all files")
            tree.hard_link(name, source)

    def _path_of(self, name: str) -> Parts:
        """What `path_of` gives; members of one directory mostly follow on each other."""
        folder, slash, last = name.rpartition("/")
        short = len(name) <= _LONGEST // 4  # a character has up to four bytes
        if folder == self._folder and slash and short and relative_path.is_name(last):
            return (*self._parts, last)
        parts = path_of(name)
        self._folder, self._parts = folder, parts[:-1]
        # As when it ends with a slash, or `.`: then it is another directory than it looks like.
        if not parts or parts[-1] != last:
            self._folder = None
        return parts

    def finish(self) -> None:
        """Set the times of directories: what was made in them has changed them."""
        for parts in sorted(self._times):
            with contextlib.suppress(OSError):  # it may have been replaced since by something else
                self._tree.enter(parts, make=False)
                self._tree.set_time(self._times[parts])

    def _count(self, member: Member) -> None:
        self._members += 1
        if self._members > MOST_MEMBERS:
            raise TarError(f"the layer has more than {MOST_MEMBERS} members")
        if member.extents:
            self.size += -(-member.stored // _BLOCK) * _BLOCK
        if member.kind is MemberKind.DIRECTORY:
            self.size += _BLOCK
        if self.size + self._members * 512 > self._most:
            text = f"the layer takes more than the {self._most} bytes that are left for it"
            raise OSError(errno.EFBIG, text, "")

    def _directory(self, parts: Parts, member: Member) -> None:
        if parts:
            self._tree.enter(parts[:-1])
            self._tree.make_directory(parts[-1])
        else:
            self.root = True
        self._tree.enter(parts)
        self._tree.directory(member)
        if parts not in self._times:
            self._remembered += sum(map(len, parts)) + _SHOWN
            if self._remembered > _MOST_REMEMBERED:
                raise TarError("the layer has too many directories")
        self._times[parts] = member.mtime_ns

    def _whiteout(self, name: str, folder: Parts) -> None:
        self._tree.enter(folder)
        if name == _OPAQUE:
            self._tree.hide_all_below()
            return
        hidden = name[len(_WHITEOUT) :]
        if not relative_path.is_name(hidden):
            raise TarError("it removes nothing that has a name")
        self._tree.remove_below(hidden)


def path_of(name: str) -> Parts:
    """The names of a path in a layer; it begins at the directory of all files.

    Raises:
        TarError: it would lead out of that, or is too long.
    """
    if len(os.fsencode(name)) > _LONGEST:
        raise TarError(f"its path is longer than {_LONGEST} bytes")
    try:
        return relative_path.parts(name.lstrip("/"))
    except ValueError as error:
        raise TarError(str(error)) from None


def _about(name: str, error: TarError | OSError) -> TarError | OSError:
    """An error that names the member."""
    if isinstance(error, TarError):
        return TarError(f"{name[:_SHOWN]!r}: {error}")
    if error.errno in (None, errno.EFBIG):
        return error
    return OSError(error.errno, error.strerror, name[:_SHOWN])
