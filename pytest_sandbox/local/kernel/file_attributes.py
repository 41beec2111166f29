"""What a file is besides its contents: kind, owner, mode, times, extended attributes.

Access control lists and capabilities of files are extended attributes too: acl(5),
capabilities(7), "File capabilities", xattr(7).
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import stat

from . import overlayfs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .calls import PreparedCalls

_AT_FDCWD = -100
# include/uapi/linux/stat.h: what is where in `struct statx`. A time is 8 bytes of seconds, 4 of
# nanoseconds and 4 of zeros: where the lowest byte comes first, a `struct timespec`.
_STATX_BASIC_STATS = 0x7FF
_STATX_SIZE = 256
_STX_ATIME_AT, _STX_MTIME_AT = 64, 112
_TIME_SIZE = 16
_CAPABILITY = "security.capability"


class Attributes:
    """All that a file is but its name and its contents.

    Attributes:
        mode: as `st_mode`, with the kind.
        owner: its user and its group.
        times: of the last access and the last change, in nanoseconds.
        device: its number, for device nodes.
        size: bytes.
        extended: extended attributes by name.
    """

    __slots__ = ("device", "extended", "mode", "owner", "size", "times")

    def __init__(
        self,
        mode: int,
        owner: tuple[int, int],
        times: tuple[int, int],
        device: int,
        size: int,
        extended: dict[str, bytes],
    ) -> None:
        self.mode = mode
        self.owner = owner
        self.times = times
        self.device = device
        self.size = size
        self.extended = extended

    def apply(
        self,
        target: str | int,
        owner: tuple[int, int] | None = None,
        mode: int | None = None,
    ) -> None:
        """Set everything of another file but its kind, device and size.

        Args:
            target: a path, which is not followed if it is a link, or a descriptor.
            owner: its user and group, if they are known.
            mode: its permissions, if they are known, without bits that `chown` clears.

        Raises:
            OSError: what the kernel said.
        """
        # In the one order in which no step undoes another: a change of owner clears set-user-ID
        # bits and capabilities (chown(2)), an access control list changes the mode (acl(5),
        # "Correspondence between ACL entries and file permission bits"), and writing to a directory
        # changes its time.
        follow = isinstance(target, int)
        if self.owner != owner:
            os.chown(target, *self.owner, follow_symlinks=follow)
        if not stat.S_ISLNK(self.mode) and stat.S_IMODE(self.mode) != mode:
            os.chmod(target, stat.S_IMODE(self.mode))
        for name, value in self.extended.items():
            # Labels of security modules mean something on the machine that made them only, and may
            # not be set in a user namespace. Capabilities of files are programs' own.
            label = name.startswith("security.") and name != _CAPABILITY
            with contextlib.suppress(*[OSError] * label):
                os.setxattr(target, name, value, follow_symlinks=follow)
        os.utime(target, ns=self.times, follow_symlinks=follow)


def read(target: str | int, info: os.stat_result | None = None) -> Attributes:
    """The attributes of a path, which is not followed if it is a link, or of a descriptor.

    Of what overlayfs notes in attributes, only that a directory is opaque is among them: all else
    would be wrong in a copy.

    Args:
        target: the path or the descriptor.
        info: what stat(2) says of it, if that is known.

    Raises:
        OSError: what the kernel said.
    """
    follow = isinstance(target, int)
    info = info or os.stat(target, follow_symlinks=follow)
    names = os.listxattr(target, follow_symlinks=follow)
    return Attributes(
        mode=info.st_mode,
        owner=(info.st_uid, info.st_gid),
        times=(info.st_atime_ns, info.st_mtime_ns),
        device=info.st_rdev,
        size=info.st_size,
        extended={
            name: os.getxattr(target, name, follow_symlinks=follow)
            for name in names
            if name == overlayfs.OPAQUE or not name.startswith(overlayfs.PRIVATE_ATTRIBUTES)
        },
    )


def copy_to_overlay(source: str, target: str, calls: PreparedCalls) -> None:
    """Give a new upper directory what the topmost lower one has, but not its opaqueness.

    Args:
        source: the lower one, which does not change any more.
        target: the upper one.
        calls: where it is prepared.
    """
    names = os.listxattr(source)
    if not all(name.startswith(overlayfs.PRIVATE_ATTRIBUTES) for name in names):
        calls.do(_copy_to_overlay, source, target)
        return
    found = (ctypes.c_char * _STATX_SIZE)()
    owner = ctypes.c_uint32.from_buffer(found, 20), ctypes.c_uint32.from_buffer(found, 24)
    mode = ctypes.c_uint32.from_buffer(found, 28)
    times = (ctypes.c_char * (2 * _TIME_SIZE))()
    calls.add_number("statx", _AT_FDCWD, source, 0, _STATX_BASIC_STATS, found, about=source)
    calls.add("lchown", target, *owner, about=target)
    calls.add("chmod", target, mode, about=target)
    for place, at in ((0, _STX_ATIME_AT), (_TIME_SIZE, _STX_MTIME_AT)):
        calls.add("memmove", ctypes.byref(times, place), ctypes.byref(found, at), _TIME_SIZE)
    calls.add("utimensat", _AT_FDCWD, target, times, 0, about=target)


def _copy_to_overlay(source: str, target: str) -> None:
    attributes = read(source)
    attributes.extended.pop(overlayfs.OPAQUE, None)
    attributes.apply(target)
