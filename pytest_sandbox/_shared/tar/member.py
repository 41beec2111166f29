"""What a tar says of one file."""

from __future__ import annotations

from enum import Enum

#: Bytes of a block: headers take one, contents are padded to it.
BLOCK = 512


class TarError(ValueError):
    """The stream is not a tar, is damaged, or has a member that cannot be unpacked."""


class MemberKind(Enum):
    """The kinds of files, by their type flag: pax(1), "ustar Interchange Format"."""

    FILE = b"0"
    HARD_LINK = b"1"
    SYMLINK = b"2"
    CHARACTER_DEVICE = b"3"
    BLOCK_DEVICE = b"4"
    DIRECTORY = b"5"
    FIFO = b"6"


class Member:
    """One file of a tar.

    Attributes:
        name: relative path, as in the tar.
        kind: what it is.
        mode: permission bits, at most 0o7777.
        uid: numeric owner.
        gid: numeric group.
        mtime_ns: modification time, nanoseconds since the epoch; may be negative.
        target: text of a symbolic link; for a hard link, the name of an earlier member.
        device: major and minor number of a device.
        size: bytes of a regular file, holes included.
        extents: offset and length of each part of a regular file that has data.
        extended: extended attributes by name, if the reader was asked for them.
    """

    __slots__ = (
        "device",
        "extended",
        "extents",
        "gid",
        "kind",
        "mode",
        "mtime_ns",
        "name",
        "size",
        "target",
        "uid",
    )

    def __init__(
        self,
        name: str,
        kind: MemberKind,
        *,
        mode: int = 0o644,
        uid: int = 0,
        gid: int = 0,
        mtime_ns: int = 0,
        target: str = "",
        device: tuple[int, int] = (0, 0),
    ) -> None:
        self.name = name
        self.kind = kind
        self.mode = mode
        self.uid = uid
        self.gid = gid
        self.mtime_ns = mtime_ns
        self.target = target
        self.device = device
        self.size = 0
        self.extents: list[tuple[int, int]] = []
        self.extended: dict[str, bytes] = {}

    @property
    def stored(self) -> int:
        """Bytes of data in the tar, without a map of holes."""
        return sum(length for _, length in self.extents)
