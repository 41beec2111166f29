"""An open file of the filesystem in memory."""

import errno
import os
from typing import NoReturn

from .changes import ChangeKind, Spot
from .inode import Device, Directory, Inode, Regular
from .mounts import Mount, Node

#: What the device `random` gives: the same in every run, and nothing like random.
_PATTERN = bytes((i * 167 + 13) % 256 for i in range(256))


class Handle:
    """What `open(2)` makes: it stays usable when the name is gone.

    Args:
        mount: where the file lies.
        number: its inode.
        spot: the name it was opened by, so that watches can say which.
        flags: as given to `open(2)`.
    """

    def __init__(self, mount: Mount, number: int, spot: Spot | None, flags: int) -> None:
        self.mount = mount
        self.number = number
        self.spot = spot
        self.flags = flags
        self.closed = False
        mount.handles[self] = None
        mount.disk.opened(self)

    @property
    def node(self) -> Node:
        """Its place in the tree."""
        return self.mount.node(self.number)

    @property
    def inode(self) -> Inode:
        """The file itself, as it is now."""
        inode = self.mount.disk.get(self.number)
        assert inode is not None  # what is open stays
        return inode

    @property
    def append(self) -> bool:
        """Whether every write goes to the end."""
        return bool(self.flags & os.O_APPEND)

    def pread(self, offset: int, size: int) -> bytes:
        """Up to `size` bytes at `offset`.

        Raises:
            OSError: `EBADF` not open for reading; `EISDIR`; `EINVAL` a negative offset.
        """
        self._require(os.O_RDONLY)
        inode = self.inode
        if isinstance(inode, Directory):
            self._fail(errno.EISDIR)
        if offset < 0 or size < 0:
            self._fail(errno.EINVAL)
        if isinstance(inode, Device):
            return _read_device(inode.device, offset, size)
        assert isinstance(inode, Regular)
        data = inode.content.read(offset, size)
        if data:
            self._emit(ChangeKind.ACCESS)
        return data

    def pwrite(self, offset: int, data: bytes) -> int:
        """Write at `offset`, or at the end when open for appending.

        Raises:
            OSError: `EBADF` not open for writing; `EINVAL` a negative offset; `EFBIG`;
                `ENOSPC` the disk is full, or this is the device `full`.
        """
        self._require(os.O_WRONLY)
        if offset < 0:
            self._fail(errno.EINVAL)
        inode = self.inode
        if isinstance(inode, Device):
            if inode.device == "full" and data:
                self._fail(errno.ENOSPC)
            return len(data)
        assert isinstance(inode, Regular)
        if self.append:
            offset = inode.size
        self.mount.disk.write(inode, offset, data, self.spot)
        return len(data)

    def truncate(self, size: int) -> None:
        """Cut or extend.

        Raises:
            OSError: `EINVAL` not open for writing, not a regular file, or negative; `EFBIG`.
        """
        inode = self.inode
        if self.flags & os.O_ACCMODE == os.O_RDONLY or not isinstance(inode, Regular) or size < 0:
            self._fail(errno.EINVAL)
        self.mount.disk.resize(inode, size, self.spot)

    def close(self) -> None:
        """Let go of the file; its bytes go too if it has no name left."""
        if not self.closed:
            self.closed = True
            if not self.flags & os.O_PATH:
                reading = self.flags & os.O_ACCMODE == os.O_RDONLY
                self._emit(ChangeKind.CLOSE_NOWRITE if reading else ChangeKind.CLOSE_WRITE)
            del self.mount.handles[self]
            self.mount.disk.released(self)

    def _emit(self, kind: ChangeKind) -> None:
        self.mount.disk.watches.emit(kind, self.number, self.spot)

    def _require(self, access: int) -> None:
        mode = self.flags & os.O_ACCMODE
        if self.closed or mode not in (access, os.O_RDWR):
            self._fail(errno.EBADF)

    def _fail(self, number: int) -> NoReturn:
        raise OSError(number, os.strerror(number))


def _read_device(device: str, offset: int, size: int) -> bytes:
    if device in ("zero", "full"):
        return bytes(size)
    if device == "random":
        start = offset % 256
        return (_PATTERN * ((start + size) // 256 + 1))[start : start + size]
    return b""
