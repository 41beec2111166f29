"""The directory of a layer while it is unpacked, as overlayfs will merge it with those below.

Nothing but the unpacking changes it meanwhile. No link in it is ever followed.
"""

from __future__ import annotations

import os
import stat

from pytest_sandbox._shared import relative_path
from pytest_sandbox._shared.extents import extents
from pytest_sandbox._shared.tar.member import MemberKind, TarError
from pytest_sandbox._shared.trees.tree_remover import remove_tree
from pytest_sandbox._shared.whole_writes import pwrite_all

from ...kernel import file_attributes, overlayfs
from ..walk import open_folder
from . import member_attributes
from .layers_below import is_opaque

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pytest_sandbox._shared.tar.member import Member

    from .layers_below import LayersBelow, Parts
    from .member_attributes import Owners

_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_SHOWN = 80


class LayerTree:
    """The tree, one directory of which is entered at a time.

    Args:
        root: descriptor of its directory, which is empty.
        below: the layers that it was made on.
        owners: those of its files.

    Attributes:
        borrowed: whether it depends on what the layers below have, so that it fits these only.
        opaque: whether nothing of the layers below shows at all.
    """

    def __init__(self, root: int, below: LayersBelow, owners: Owners) -> None:
        self.borrowed = False
        self.opaque = False
        self._root = root
        self._folder = os.dup(root)
        self._parts: Parts = ()
        self._below = below
        self._owners = owners
        #: Whether files in some directory get its group when they are made: inode(7), S_ISGID.
        self._inherits_group = False

    def close(self) -> None:
        """Close its descriptor."""
        os.close(self._folder)

    def enter(self, parts: Parts, *, make: bool = True) -> None:
        """Enter a directory by its names from the top down; what is missing is made.

        Args:
            parts: the names.
            make: whether it is.

        Raises:
            TarError: something on the way is not a directory.
            OSError: something is missing, or not a directory, if it is not made.
        """
        if parts == self._parts:
            return
        shared = relative_path.shared(self._parts, parts)
        up = len(self._parts) - shared
        if up > shared:
            self._move(os.dup(self._root), ())
        else:
            for _ in range(up):
                self._move(open_folder("..", self._folder), self._parts[:-1])
        alone = False
        for name in parts[len(self._parts) :]:
            if make:
                alone = self._step(name, alone=alone)
            else:
                self._move(open_folder(name, self._folder), (*self._parts, name))

    def directory(self, member: Member) -> None:
        """Give the entered directory its attributes."""
        member_attributes.apply(self._folder, member, self._owners)
        self._inherits_group |= bool(member.mode & stat.S_ISGID)

    def set_time(self, mtime_ns: int) -> None:
        """Give the entered directory its time, when nothing more is made in it."""
        os.utime(self._folder, ns=(mtime_ns, mtime_ns))

    def make_directory(self, name: str) -> None:
        """Make a directory in the entered one; anything else of its name is removed first."""
        try:
            os.mkdir(name, 0o755, dir_fd=self._folder)
        except FileExistsError:
            if stat.S_ISDIR(os.lstat(name, dir_fd=self._folder).st_mode):
                return
            os.unlink(name, dir_fd=self._folder)
            os.mkdir(name, 0o755, dir_fd=self._folder)
            # What was there before, a whiteout or a file, hid what the layers below have.
            self._hide_below(name)

    def file(self, name: str, member: Member, contents: Iterable[tuple[int, bytes]]) -> None:
        """Make a regular file."""
        mode = member.mode & 0o777
        try:
            fd = os.open(name, _NEW_FILE, mode, dir_fd=self._folder)
        except FileExistsError:
            fd = self._new(name, lambda: os.open(name, _NEW_FILE, mode, dir_fd=self._folder))
        try:
            end = 0
            for offset, data in contents:
                if os.pwrite(fd, data, offset) != len(data):
                    pwrite_all(fd, offset, data)
                end = offset + len(data)
            if end != member.size:
                os.ftruncate(fd, member.size)  # it ends with a hole
            # Most files belong to root, as what is made does, and have no more than a mode.
            more = member.uid or member.gid or member.extended or mode != member.mode
            if more or self._inherits_group:
                member_attributes.apply(fd, member, self._owners)
            else:
                os.utime(fd, ns=(member.mtime_ns, member.mtime_ns))
        finally:
            os.close(fd)

    def symlink(self, name: str, member: Member) -> None:
        """Make a symbolic link."""
        self._new(name, lambda: os.symlink(member.target, name, dir_fd=self._folder))
        self._attributes_of_name(name, member)

    def pipe(self, name: str, member: Member) -> None:
        """Make a named pipe."""
        mode = stat.S_IFIFO | member.mode
        self._new(name, lambda: os.mknod(name, mode, dir_fd=self._folder))
        self._attributes_of_name(name, member)

    def hard_link(self, name: str, source: Parts) -> None:
        """Make another name of a file, of this layer or of one below.

        Raises:
            TarError: there is no such file.
        """
        parts = self._parts
        if source == (*parts, name):
            return
        if not self._has(source):
            self._copy_up(source)
            self.enter(parts)
        folder = self._open(source[:-1])
        try:
            self._new(
                name,
                lambda: os.link(
                    *(source[-1], name),
                    src_dir_fd=folder,
                    dst_dir_fd=self._folder,
                    follow_symlinks=False,
                ),
            )
        finally:
            os.close(folder)

    def remove_below(self, name: str) -> None:
        """Hide what the layers below have of this name; what this layer has stays."""
        try:
            os.mknod(name, stat.S_IFCHR, 0, dir_fd=self._folder)
        except FileExistsError:
            if stat.S_ISDIR(os.lstat(name, dir_fd=self._folder).st_mode):
                self._hide_below(name)

    def hide_all_below(self) -> None:
        """Hide all that the layers below have in the entered directory."""
        if self._parts:
            os.setxattr(self._folder, overlayfs.OPAQUE, b"y")
        else:
            self.opaque = True  # overlayfs does not look for the mark there

    def _hide_below(self, name: str) -> None:
        fd = open_folder(name, self._folder)
        os.setxattr(fd, overlayfs.OPAQUE, b"y")
        os.close(fd)

    def _move(self, folder: int, parts: Parts) -> None:
        os.close(self._folder)
        self._folder, self._parts = folder, parts

    def _step(self, name: str, *, alone: bool) -> bool:
        """Enter a directory of the entered one, which is made if it is missing.

        Args:
            name: of the directory.
            alone: whether the layers below are known to have nothing there.

        Returns:
            The same for what is in it.
        """
        parts = (*self._parts, name)
        try:
            self._move(open_folder(name, self._folder), parts)
        except FileNotFoundError:
            return self._imply(name, parts, alone=alone)
        except OSError:
            # A link, or another file; see open(2), O_NOFOLLOW and O_DIRECTORY.
            if not overlayfs.is_whiteout(os.lstat(name, dir_fd=self._folder)):
                raise TarError(f"{name[:_SHOWN]!r} is not a directory in this layer") from None
            self.make_directory(name)
            self._move(open_folder(name, self._folder), parts)
        return alone

    def _imply(self, name: str, parts: Parts, *, alone: bool) -> bool:
        """Enter a directory that the layer has things in, but does not have itself."""
        found = None
        if not alone and not self._hides(parts):
            # Also if they have nothing there: on other layers, it may get attributes.
            self.borrowed = True
            found = self._below.find(parts)
        if found is not None:
            os.close(found[0])
            if not stat.S_ISDIR(found[1].st_mode):
                found = None
        os.mkdir(name, 0o755, dir_fd=self._folder)
        self._move(open_folder(name, self._folder), parts)
        if found is not None:
            # overlayfs shows a merged directory with the attributes that it has in the topmost
            # layer.
            self._take_attributes(parts)
        return found is None

    def _take_attributes(self, parts: Parts) -> None:
        found = self._below.find(parts)
        assert found is not None
        folder, _ = found
        source = open_folder(parts[-1], folder)
        try:
            attributes = file_attributes.read(source)
            attributes.extended.pop(overlayfs.OPAQUE, None)
            attributes.apply(self._folder)
            self._inherits_group = True  # perhaps
        finally:
            os.close(source)
            os.close(folder)

    def _new(self, name: str, make: Callable[[], int | None]) -> int:
        """Make something; anything else of its name is removed first."""
        try:
            made = make()
        except FileExistsError:
            if stat.S_ISDIR(os.lstat(name, dir_fd=self._folder).st_mode):
                remove_tree(name, self._folder)
            else:
                os.unlink(name, dir_fd=self._folder)
            made = make()
        return -1 if made is None else made

    def _attributes_of_name(self, name: str, member: Member) -> None:
        self._owners.give(name, member, self._folder)
        if member.kind is not MemberKind.SYMLINK:
            os.chmod(name, member.mode, dir_fd=self._folder)
        times = (member.mtime_ns, member.mtime_ns)
        os.utime(name, ns=times, dir_fd=self._folder, follow_symlinks=False)

    def _open(self, parts: Parts) -> int:
        """Open a directory of this layer."""
        folder = os.dup(self._root)
        for name in parts:
            above = folder
            try:
                folder = open_folder(name, above)
            finally:
                os.close(above)
        return folder

    def _has(self, parts: Parts) -> bool:
        """Whether this layer has a file at a path, to make another name of.

        Raises:
            TarError: something else is there, or the layer hides what is there below.
        """
        try:
            folder = self._open(parts[:-1])
        except OSError:
            folder = None
        if folder is not None:
            try:
                info = os.lstat(parts[-1], dir_fd=folder)
            except FileNotFoundError:
                pass
            else:
                if stat.S_ISDIR(info.st_mode) or overlayfs.is_whiteout(info):
                    raise _no_source(parts)
                return True
            finally:
                os.close(folder)
        if self._hides(parts):
            raise _no_source(parts)
        return False

    def _hides(self, parts: Parts) -> bool:
        """Whether this layer hides what the layers below have at a path, which it does not have."""
        folder = os.dup(self._root)
        try:
            for name in parts[:-1]:
                above = folder
                try:
                    folder = open_folder(name, above)
                except FileNotFoundError:
                    folder = os.dup(above)
                    return self.opaque
                except OSError:
                    folder = os.dup(above)
                    return True
                finally:
                    os.close(above)
                if is_opaque(folder):
                    return True
            return self.opaque
        finally:
            os.close(folder)

    def _copy_up(self, parts: Parts) -> None:
        """Take a file over from the layers below, with its attributes."""
        found = self._below.find(parts)
        if found is None:
            raise _no_source(parts)
        folder, info = found
        try:
            if stat.S_ISDIR(info.st_mode):
                raise _no_source(parts)
            self.enter(parts[:-1])
            if stat.S_ISREG(info.st_mode):
                self._copy(parts[-1], folder)
            else:
                self._copy_special(parts[-1], folder, info)
        finally:
            os.close(folder)
        self.borrowed = True

    def _copy(self, name: str, folder: int) -> None:
        source = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
        target = os.open(name, _NEW_FILE, 0o600, dir_fd=self._folder)
        try:
            info = os.fstat(source)
            os.ftruncate(target, info.st_size)
            for offset, size in extents(source, info):
                os.lseek(target, offset, os.SEEK_SET)
                while size and (sent := os.sendfile(target, source, offset, size)):
                    offset, size = offset + sent, size - sent
            file_attributes.read(source).apply(target)
        finally:
            os.close(source)
            os.close(target)

    def _copy_special(self, name: str, folder: int, info: os.stat_result) -> None:
        if stat.S_ISLNK(info.st_mode):
            os.symlink(os.readlink(name, dir_fd=folder), name, dir_fd=self._folder)
        else:
            os.mknod(name, info.st_mode, dir_fd=self._folder)
            os.chmod(name, stat.S_IMODE(info.st_mode), dir_fd=self._folder)
        owner = info.st_uid, info.st_gid
        os.chown(name, *owner, dir_fd=self._folder, follow_symlinks=False)
        times = info.st_mtime_ns, info.st_mtime_ns
        os.utime(name, ns=times, dir_fd=self._folder, follow_symlinks=False)


def _no_source(parts: Parts) -> TarError:
    path = "/".join(parts)
    return TarError(f"it is a hard link to {path[:_SHOWN]!r}, where there is no file")
