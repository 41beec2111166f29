"""VolumeStore: folders that sandboxes share, each a tmpfs in the zygote's stage, at `/volumes/N`.

A sandbox that starts finds them in its copy of the stage, copies the mounts of its own volumes
without attaching them, and attaches them when only its own root can be seen. A volume is freed by
unmounting it: sandboxes that have it mounted keep it. All end with the zygote.
"""

from __future__ import annotations

import os

from pytest_sandbox._shared.directories import make_directories

from ..kernel import mounts, tmpfs
from . import mount_points

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..protocol.zygote import MountedVolume


class VolumeStore:
    """The volumes of one zygote, by the numbers that the engine gives them.

    Args:
        size: bytes that each may hold.
        inodes: files that each may hold.
        owner: the zygote's id for the root of a sandbox.
    """

    def __init__(self, size: int, inodes: int, owner: int) -> None:
        self._size = size
        self._inodes = inodes
        self._owner = owner
        self._numbers: set[int] = set()

    @property
    def numbers(self) -> frozenset[int]:
        """Those there are."""
        return frozenset(self._numbers)

    def make_missing(self, volumes: list[MountedVolume]) -> None:
        """Make those that do not exist yet.

        Raises:
            OSError: the kernel refused it.
        """
        for number in [volume.number for volume in volumes]:
            if number not in self._numbers:
                path = f"/volumes/{number}"
                os.makedirs(path, 0o755, exist_ok=True)  # another attempt may have got so far
                tmpfs.mount(path, self._size, 0o755, self._inodes)
                os.chown(path, self._owner, self._owner)
                self._numbers.add(number)

    def usage(self, number: int) -> int:
        """Bytes that one takes; 0 if no sandbox has had it yet."""
        return tmpfs.usage(f"/volumes/{number}") if number in self._numbers else 0

    def unmount(self, number: int) -> None:
        """Unmount one. Blocks while the kernel frees it, if no sandbox has it."""
        if number in self._numbers:
            mounts.unmount(f"/volumes/{number}", mounts.MNT_DETACH)

    def forget(self, number: int) -> None:
        """Forget one that is unmounted, perhaps by a helper."""
        if number in self._numbers:
            self._numbers.remove(number)
            os.rmdir(f"/volumes/{number}")


def copy_mounts(volumes: list[MountedVolume]) -> list[tuple[int, str]]:
    """Detached copies of the mounts of a sandbox's volumes, while the stage can be seen.

    Returns:
        A descriptor, and the path to mount it at, of each.

    Raises:
        OSError: `ENOTDIR` or `ELOOP` and that path, where the directory to show is none.
    """
    copies = []
    for volume in volumes:
        tree = _copy_mount(volume)
        if volume.read_only:
            # Of the mount: other sandboxes can still write to the same volume.
            mounts.set_attributes(tree, mounts.MOUNT_ATTR_RDONLY)
        copies.append((tree, volume.path))
    return copies


def _copy_mount(volume: MountedVolume) -> int:
    top = f"/volumes/{volume.number}"
    if not volume.sub_path:
        return mounts.open_tree(top)
    # Programs of other sandboxes write there meanwhile: no link of theirs may lead out of it.
    try:
        folder = mount_points.open_directory(top, volume.sub_path)
    except OSError as error:
        raise OSError(error.errno, error.strerror, volume.path) from error
    try:
        return mounts.open_tree("", folder=folder)
    finally:
        os.close(folder)


def attach(copies: list[tuple[int, str]]) -> None:
    """Mount what `copy_mounts` returned in the sandbox's root, out of which no link leads.

    Raises:
        OSError: `EPERM` for a path that is the root, or the kernel's.
    """
    for tree, path in copies:
        make_directories(path)
        mount_points.enter(path)
        # The descriptor of the mount came along while descriptors of the machine were closed; a
        # path to the volume does not exist any more.
        mounts.move_mount(tree, ".", name=path)
        os.close(tree)
    os.chdir("/")
