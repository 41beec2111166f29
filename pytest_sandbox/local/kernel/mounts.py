"""Mounting, by `mount(2)` and by the newer calls that handle a mount as a descriptor.

`open_tree(2)` copies a mount without attaching it, `mount_setattr(2)` changes the copy, and
`move_mount(2)` attaches it. A detached mount has no path, so it can be prepared out of reach of
everybody, passed to another process, and attached in another mount namespace (mount_namespaces(7)).
"""

from __future__ import annotations

import ctypes
import os

from .calls import NOW
from .syscalls import call, number

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .calls import PreparedCalls

# include/uapi/linux/mount.h
MS_RDONLY = 0x1
MS_NOSUID = 0x2
MS_NODEV = 0x4
MS_NOEXEC = 0x8
MS_REMOUNT = 0x20
MS_BIND = 0x1000
MS_REC = 0x4000
MS_PRIVATE = 0x40000
MNT_DETACH = 0x2
UMOUNT_NOFOLLOW = 0x8
MOUNT_ATTR_RDONLY = 0x1
MOUNT_ATTR_IDMAP = 0x100000
_OPEN_TREE_CLONE = 0x1
_OPEN_TREE_CLOEXEC = os.O_CLOEXEC
_MOVE_MOUNT_F_EMPTY_PATH = 0x4
_MOVE_MOUNT_T_EMPTY_PATH = 0x40

# include/uapi/linux/fcntl.h
AT_FDCWD = -100
_AT_EMPTY_PATH = 0x1000
_AT_RECURSIVE = 0x8000


def mount(
    source: str,
    target: str,
    kind: str = "",
    flags: int = 0,
    data: str = "",
    *,
    allowed: tuple[int, ...] = (),
    calls: PreparedCalls = NOW,
) -> None:
    """Mount a file system, or bind a path to another, or change a mount, as `flags` say.

    Raises:
        OSError: the kernel refused it, with none of the `allowed` errors; names the target.
    """
    args = source, target, kind, flags, data
    calls.add("mount", *args, about=target, allowed=allowed)


def bind(
    source: str,
    target: str,
    *,
    recursive: bool = False,
    allowed: tuple[int, ...] = (),
    calls: PreparedCalls = NOW,
) -> None:
    """Show at `target` what is at `source`.

    Raises:
        OSError: as `mount`.
    """
    flags = MS_BIND | (MS_REC if recursive else 0)
    mount(source, target, flags=flags, allowed=allowed, calls=calls)


def unmount(target: str, flags: int = 0, calls: PreparedCalls = NOW) -> None:
    """Unmount a path, `umount2(2)`; with `MNT_DETACH` even if it is in use.

    Raises:
        OSError: the kernel refused it; names the target.
    """
    calls.add("umount2", target, flags, about=target)


def pivot_root(calls: PreparedCalls = NOW) -> None:
    """Make the current folder, which must be a mount, the root; "." then is the old root.

    Raises:
        OSError: the kernel refused it.
    """
    # pivot_root(2), NOTES: with "." for both arguments, no folder is needed to put the old root in.
    # It ends up on top of the new one, where "." still finds it to unmount.
    calls.add_number("pivot_root", b".", b".")


def change_root(calls: PreparedCalls = NOW) -> None:
    """Make the current folder, which must be a mount, the root, and give up the old root.

    Raises:
        OSError: the kernel refused it.
    """
    pivot_root(calls)
    unmount(".", MNT_DETACH, calls)
    calls.add("chdir", "/")


def open_tree(path: str, *, recursive: bool = False, folder: int = AT_FDCWD) -> int:
    """Copy the mount at `path`; a descriptor of the copy, which is attached nowhere.

    Args:
        path: a mount, or a directory in one: the copy then shows only what is in it.
        recursive: copy the mounts below too.
        folder: where a relative path begins; the directory itself if the path is empty.

    Raises:
        OSError: the kernel refused it; names the path.
    """
    flags = _OPEN_TREE_CLONE | _OPEN_TREE_CLOEXEC | (_AT_RECURSIVE if recursive else 0)
    flags |= 0 if path else _AT_EMPTY_PATH
    return call("open_tree", folder, os.fsencode(path), flags, about=path)


def prepare_open_tree(path: str, calls: PreparedCalls, *, recursive: bool = False) -> ctypes.c_long:
    """Have `calls` do what `open_tree` does for a path; the descriptor."""
    flags = _OPEN_TREE_CLONE | _OPEN_TREE_CLOEXEC | (_AT_RECURSIVE if recursive else 0)
    return calls.add_opening("syscall", number("open_tree"), AT_FDCWD, path, flags, about=path)


def move_mount(
    tree: int | ctypes.c_int | ctypes.c_long,
    target: str,
    *,
    source: str = "",
    folder: int | ctypes.c_long = AT_FDCWD,
    name: str = "",
    calls: PreparedCalls = NOW,
) -> None:
    """Attach a detached mount, or move an attached one.

    Args:
        tree: the mount; or a folder, if `source` is given.
        target: where to; the folder `folder` itself if empty.
        source: the mount, below `tree`.
        folder: where a relative `target` begins.
        name: what an error names instead of `target`.
        calls: where the call is prepared, if not made at once.

    Raises:
        OSError: the kernel refused it.
    """
    flags = 0 if source else _MOVE_MOUNT_F_EMPTY_PATH
    flags |= 0 if target else _MOVE_MOUNT_T_EMPTY_PATH
    args = tree, source, folder, target, flags
    calls.add_number("move_mount", *args, about=name or target)


class _MountAttr(ctypes.Structure):
    """`struct mount_attr` of mount_setattr(2)."""

    _fields_ = [
        ("attr_set", ctypes.c_uint64),
        ("attr_clr", ctypes.c_uint64),
        ("propagation", ctypes.c_uint64),
        ("userns_fd", ctypes.c_uint64),
    ]


def _set_userns(attr: _MountAttr, userns: ctypes.c_long) -> None:
    attr.userns_fd = userns.value


def set_attributes(
    tree: int | ctypes.c_long,
    attributes: int,
    *,
    userns: int | ctypes.c_long = 0,
    recursive: bool = False,
    allowed: tuple[int, ...] = (),
    calls: PreparedCalls = NOW,
) -> None:
    """Set `MOUNT_ATTR_...` of a detached mount, `mount_setattr(2)`.

    Args:
        tree: the mount.
        attributes: with `MOUNT_ATTR_IDMAP`, owners are mapped as `userns` maps ids. The kernel
            takes that only for a mount that was never attached: mount_setattr(2), ID-mapped mounts.
        userns: a descriptor of a user namespace.
        recursive: set them for the mounts below as well.
        allowed: errors that are none.
        calls: where the call is prepared, if not made at once.

    Raises:
        OSError: the kernel refused it.
    """
    attr = _MountAttr(attributes, 0, 0, 0)
    if isinstance(userns, int):
        attr.userns_fd = userns
    else:
        calls.do(_set_userns, attr, userns)
    flags = _AT_EMPTY_PATH | (_AT_RECURSIVE if recursive else 0)
    args = tree, b"", flags, ctypes.byref(attr), ctypes.sizeof(attr)
    calls.add("syscall", number("mount_setattr"), *args, about="mount_setattr", allowed=allowed)
