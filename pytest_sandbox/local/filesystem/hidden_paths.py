"""Hiding files of a folder of the machine, by a lower layer with whiteouts over it.

A sandbox that writes such a name makes a file of its own. The names need not exist: one that
appears on the machine later is hidden as well.
"""

from __future__ import annotations

import contextlib
import os
import stat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable


def hide(layer: str, tree: str, hidden: Iterable[str], kept: Iterable[str] = ()) -> None:
    """Make the layer, or add to it.

    Args:
        layer: its directory; it is made if it does not exist.
        tree: the folder.
        hidden: paths in the folder.
        kept: paths in the folder that are not hidden, though one above may be.

    Raises:
        OSError: what the kernel said.
    """
    keep = {path.strip("/") for path in kept}
    above = {"/".join(path.split("/")[:end]) for path in keep for end in range(path.count("/") + 1)}
    with contextlib.suppress(FileExistsError):
        _make_directory(layer, tree)
    for path in hidden:
        _hide(layer, tree, path.strip("/"), keep, above)


def _hide(layer: str, tree: str, path: str, keep: set[str], above: set[str]) -> None:
    if path in keep:
        return
    if path in above:
        with contextlib.suppress(OSError):
            for name in os.listdir(f"{tree}/{path}"):
                _hide(layer, tree, f"{path}/{name}", keep, above)
        return
    folder, _, name = path.rpartition("/")
    target = _directories(layer, tree, folder)
    if target:
        with contextlib.suppress(FileExistsError):
            # A device 0/0 takes no privilege: vfs_mknod() in fs/namei.c.
            os.mknod(f"{target}/{name}", stat.S_IFCHR, 0)


def _directories(layer: str, tree: str, path: str) -> str:
    """The directory of the layer for a path; empty if that is no directory in the tree."""
    for name in path.split("/") if path else ():
        layer, tree = f"{layer}/{name}", f"{tree}/{name}"
        if os.path.islink(tree) or not os.path.isdir(tree):
            return ""
        with contextlib.suppress(FileExistsError):
            _make_directory(layer, tree)
        if not os.path.isdir(layer):
            return ""  # a whiteout: all of it is hidden already
    return layer


def _make_directory(path: str, like: str) -> None:
    """Make a directory with the attributes of another: of merged ones, those of the top show."""
    os.mkdir(path, 0o755)
    info = os.stat(like)
    with contextlib.suppress(OSError):  # an owner that has no id here is shown as nobody anyway
        os.chown(path, info.st_uid, info.st_gid)
    os.chmod(path, stat.S_IMODE(info.st_mode))
    os.utime(path, ns=(info.st_atime_ns, info.st_mtime_ns))
