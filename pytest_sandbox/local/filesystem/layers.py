"""Layers: what sandboxes wrote, kept in the zygote's stage for others to stand on.

A layer is a whole store (`_mounts` says what is in one), a tmpfs, attached at `/layers/N`. No
sandbox writes to it any more; one that starts finds it in its copy of the stage. Letting go of
a layer is unmounting it: nothing is ever deleted by name. All die with the zygote.
"""

from __future__ import annotations

import errno
import os

from ..kernel import syscalls as sys_

#: Layers that overlayfs takes below one sandbox, with some room: it allows 500.
MOST = 400
#: What an inode costs the kernel besides the contents of its file.
_BYTES_PER_INODE = 1024
#: A store that is larger is freed by a process of its own: that takes 0.5 ms per MiB.
_QUICK = 4 << 20


class Layers:
    """The layers of one zygote, by the numbers that the engine gives them."""

    def __init__(self) -> None:
        self._parts: dict[int, frozenset[str]] = {}  # of each layer, those that hold anything

    def attach(self, number: int, store: int) -> None:
        """Make a layer of a detached store."""
        path = f"/layers/{number}"
        os.mkdir(path, 0o755)
        try:
            sys_.move_mount(store, path)
        except OSError:
            os.rmdir(path)
            raise
        names = (name for name in os.listdir(path) if name != "work")
        self._parts[number] = frozenset(name for name in names if os.listdir(f"{path}/{name}"))

    def open(self, number: int) -> int:
        """The store of a layer, detached, as it was before."""
        return sys_.open_tree(f"/layers/{number}")

    def unmount(self, number: int) -> None:
        """Let go of a layer; what stands on it stays. Blocks while the kernel frees it."""
        sys_.umount(f"/layers/{number}", sys_.MNT_DETACH)

    def forget(self, number: int) -> None:
        """It is unmounted."""
        del self._parts[number]
        os.rmdir(f"/layers/{number}")

    def usage(self, number: int) -> int:
        """Bytes that a layer takes."""
        return usage(f"/layers/{number}")

    def lower(self, stack: list[int], part: str, base: str) -> str:
        """What overlayfs is to be told, relative to `/layers`, where its option is short enough.

        Args:
            stack: numbers, the newest first.
            part: of each layer.
            base: below all of them.
        """
        return ":".join([*(f"{n}/{part}" for n in stack if part in self._parts[n]), base])


def usage(store: str | int) -> int:
    """Bytes that a store takes: its path, or a descriptor."""
    info = os.statvfs(store)
    inodes = info.f_files - info.f_ffree
    return (info.f_blocks - info.f_bfree) * info.f_frsize + inodes * _BYTES_PER_INODE


def is_quick_to_free(size: int) -> bool:
    """Whether a store of `size` bytes can be freed while others wait."""
    return size <= _QUICK


def check_room(size: int, room: int) -> None:
    """Refuse a layer of `size` bytes where `room` bytes are left.

    Raises:
        OSError: `ENOSPC`.
    """
    if size > room:
        raise OSError(errno.ENOSPC, f"it takes {size} bytes, {max(0, room)} are left", "")
