"""Merging directory trees, the topmost of which is written to.

The kernel's document is Documentation/filesystems/overlayfs.rst. What is written goes to the
upper directory; the lower ones never change and can be shared. A name that is deleted leaves a
*whiteout* in the upper directory, a directory that is deleted and made again is *opaque*: nothing
below it shows.
"""

from __future__ import annotations

import stat

from . import mounts
from .calls import NOW

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os

    from .calls import PreparedCalls

#: Lower directories that one mount takes, less some room: OVL_MAX_STACK in fs/overlayfs/ is 500.
MAX_LOWER = 400
#: Prefix of the attributes in which overlayfs notes what it did, if mounted with `userxattr`.
PRIVATE_ATTRIBUTES = "user.overlay."
#: The attribute of an opaque directory, with the value "y".
OPAQUE = "user.overlay.opaque"


def mount(
    target: str,
    lower: str,
    upper: str,
    work: str,
    *,
    source: str = "overlay",
    calls: PreparedCalls = NOW,
) -> None:
    """Mount trees, merged.

    Args:
        target: where.
        lower: paths of the lower directories, the topmost first, with colons between them. All
            options together must fit into a page of 4096 bytes (mount(2), `data`).
        upper: the directory that is written to.
        work: an empty directory on the file system of `upper`, for overlayfs alone.
        source: what the list of mounts calls it.
        calls: where the call is prepared, if not made at once.

    Raises:
        OSError: the kernel refused it; names the target.
    """
    # userxattr: in a user namespace, overlayfs may not use the trusted.* attributes, in which it
    # notes things otherwise. A layer has to mean the same with and without a user namespace.
    # xino=on: inode numbers are unique over all layers and stay the same when a file is copied up.
    options = f"lowerdir={lower},upperdir={upper},workdir={work},userxattr,xino=on"
    mounts.mount(source, target, "overlay", mounts.MS_NODEV, options, calls=calls)


def is_whiteout(info: os.stat_result) -> bool:
    """Whether a file of a layer hides a name of those below: a character device 0/0."""
    return stat.S_ISCHR(info.st_mode) and info.st_rdev == 0
