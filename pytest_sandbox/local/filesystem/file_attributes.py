"""What a file is besides its contents: kind, owner, mode, times, extended attributes."""

from __future__ import annotations

import contextlib
import os
import stat

#: What overlayfs itself notes about a directory or a file, `OPAQUE` being all that must be kept.
_OVERLAY = "user.overlay."
OPAQUE = "user.overlay.opaque"


class Attributes:
    """All that is to be known of a file but its name and its contents.

    Attributes:
        mode: as `st_mode`, with the kind.
        owner: and group.
        times: of the last access and the last change, in nanoseconds.
        device: number, for device nodes.
        size: bytes.
        extended: attributes by name.
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

    def give(self, target: str | int) -> None:
        """Set everything, in the one order in which nothing undoes what came before.

        A change of owner clears the bits of set-user-ID and the capabilities of a file, an access
        list changes the mode, and all of them the time.

        Args:
            target: a path, which is never followed, or a descriptor.
        """
        follow = isinstance(target, int)
        os.chown(target, *self.owner, follow_symlinks=follow)
        if not stat.S_ISLNK(self.mode):
            os.chmod(target, stat.S_IMODE(self.mode))
        for name, value in self.extended.items():
            # A label of a security module is its own business; capabilities are ours.
            label = name.startswith("security.") and name != "security.capability"
            with contextlib.suppress(*[OSError] * label):
                os.setxattr(target, name, value, follow_symlinks=follow)
        os.utime(target, ns=self.times, follow_symlinks=follow)


def of(target: str | int) -> Attributes:
    """The attributes of a path, which is never followed, or of a descriptor."""
    follow = isinstance(target, int)
    info = os.stat(target, follow_symlinks=follow)
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
            if name == OPAQUE or not name.startswith(_OVERLAY)
        },
    )


def inherit(source: str, target: str) -> None:
    """Give a directory all that another one has, but not its opaqueness."""
    attributes = of(source)
    attributes.extended.pop(OPAQUE, None)
    attributes.give(target)
