"""File systems in memory: tmpfs(5). They end with their last mount or open descriptor."""

from __future__ import annotations

import os

from . import mounts
from .calls import NOW

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .calls import PreparedCalls

#: Bytes that a file costs the kernel besides its contents: slabinfo(5) shows 752 for an object of
#: `shmem_inode_cache` and 192 for one of `dentry`, its name.
_BYTES_PER_INODE = 1024


def mount(
    target: str,
    size: int,
    mode: int,
    inodes: int | None = None,
    calls: PreparedCalls = NOW,
    *,
    large_pages: bool = False,
) -> None:
    """Mount an empty file system in memory.

    Args:
        target: where.
        size: bytes that its files may take.
        mode: of its root.
        inodes: how many files it may hold; `None` for the kernel's default. They take memory that
            `size` does not count.
        calls: where the call is prepared, if not made at once.
        large_pages: whether the kernel may give a file several pages at once, up to its size and
            the size of each write, if it can: to write takes half the time, and no more memory. On
            Linux before 6.14 it gives 2 MiB at once wherever the size allows it, so a file with
            holes must grow as it is written.

    Raises:
        OSError: the kernel refused it; names the target.
    """
    options = f"size={size},mode={mode:o}" + ("" if inodes is None else f",nr_inodes={inodes}")
    flags = mounts.MS_NOSUID | mounts.MS_NODEV
    if large_pages:
        # The option is refused where the kernel or the processor has no large pages.
        usual = "tmpfs", target, "tmpfs", flags, options
        calls.add_either("mount", (*usual[:4], options + ",huge=within_size"), usual, target)
    else:
        mounts.mount("tmpfs", target, "tmpfs", flags, options, calls=calls)


def usage(root: str | int) -> int:
    """Bytes of memory that the files in one take: its path, or a descriptor of something in it."""
    info = os.statvfs(root)
    inodes = info.f_files - info.f_ffree
    return (info.f_blocks - info.f_bfree) * info.f_frsize + inodes * _BYTES_PER_INODE
