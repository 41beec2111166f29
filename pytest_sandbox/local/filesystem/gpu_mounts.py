"""Device nodes, libraries and programs of GPUs, in the zygote's stage at `/gpus/N`.

A sandbox gets those of its own devices, at the paths at which the machine has them.
"""

from __future__ import annotations

import contextlib
import os
import stat

from ..kernel import mounts
from . import mount_points

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..protocol.setup import GpuSource


class GpuMounts:
    """Those there are.

    Args:
        sources: what the engine found.
        links: symbolic links that sandboxes with GPUs get, path to target.

    Attributes:
        left_out: those that cannot be used, and why, by their path in a sandbox.
    """

    def __init__(self, sources: list[GpuSource], links: dict[str, str]) -> None:
        self._paths = [source.path for source in sources]
        self._links = links
        self._trees: dict[int, int] = {}
        self._devices: dict[int, tuple[int, int]] = {}
        self.left_out: dict[str, str] = {}
        for number, source in enumerate(sources):
            try:
                self._trees[number] = tree = _opened(source.source)
                info = os.fstat(tree)
                if stat.S_ISCHR(info.st_mode):
                    device = info.st_rdev
                    self._devices[number] = os.major(device), os.minor(device)
            except OSError as error:  # noqa: PERF203 - each for itself
                self.left_out[source.path] = error.strerror or str(error)

    def attach(self, stage: str) -> None:
        """Attach them in the stage.

        Args:
            stage: where that is put together.
        """
        os.mkdir(f"{stage}/gpus", 0o755)
        for number, tree in self._trees.items():
            path = f"{stage}/gpus/{number}"
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
            mounts.move_mount(tree, path)
            os.close(tree)

    def devices(self, numbers: list[int]) -> list[tuple[int, int]]:
        """The numbers of the devices among some of them."""
        return [self._devices[number] for number in numbers if number in self._devices]

    def mount(self, numbers: list[int], *, restored: bool = False) -> None:
        """Mount some of them below `/root`, in a stage of one's own.

        Args:
            numbers: of these.
            restored: whether the root may have what a sandbox with other GPUs left.

        Raises:
            OSError: the kernel refused it; or an image has something at a path that is no file.
        """
        if restored:
            # Programs would find the nodes of devices, and a driver, that are not there.
            for number, path in enumerate(self._paths):
                if number not in numbers:
                    mount_points.remove("/root", path)
        if not numbers:
            return
        for number in numbers:
            path = self._paths[number]
            try:
                mount_points.prepare("/root", [], [path])
                mounts.bind(f"/gpus/{number}", "/root" + path)
            except OSError as error:
                raise OSError(error.errno, error.strerror, path) from error
        for path, target in self._links.items():
            mount_points.prepare("/root", [os.path.dirname(path)], [])
            with contextlib.suppress(FileExistsError):
                os.symlink(target, "/root" + path)


def _opened(path: str) -> int:
    tree = mounts.open_tree(path)
    mode = os.fstat(tree).st_mode
    if not stat.S_ISREG(mode) and not stat.S_ISCHR(mode):
        os.close(tree)
        raise OSError(0, "it is no file and no device", path)
    if stat.S_ISREG(mode):
        mounts.set_attributes(tree, mounts.MOUNT_ATTR_RDONLY)
    return tree
