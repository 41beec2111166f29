"""A folder of the machine that the `host` image shows."""

from __future__ import annotations

import os
from typing import Literal

from pytest_sandbox._shared.lazy_dataclass import dataclass

from ...kernel.mountinfo import MountInfo, read_mounts

#: Whether each sandbox may write to a folder, into a layer of its own. A system folder without one
#: makes the mode of the engine another one; what people install elsewhere need not have one.
Layer = Literal["always", "if possible", "never"]
#: In which sandboxes a folder shows: in all, in those that show the project, or in all others.
Shown = Literal["always", "with project", "without project"]


@dataclass(frozen=True)
class HostFolder:
    """One of them.

    Attributes:
        path: in a sandbox.
        source: its path on the machine.
        layer: whether it has a layer.
        hidden: paths in it that do not show.
        kept: paths in it that do show, though one above them is hidden.
        shown: in which sandboxes it shows.
    """

    path: str
    source: str
    layer: Layer
    hidden: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    shown: Shown = "always"


def is_below(path: str, folder: str) -> bool:
    """Whether a path is a folder, or lies in it."""
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def mounts_in(folder: str) -> list[str]:
    """Paths below a folder at which something is mounted; below an overlay, that would not show."""
    paths = [mount.path for mount in _mounts()]
    return [path for path in paths if path != folder and is_below(path, folder)]


def paths_of(directory: str) -> list[str]:
    """All paths of a directory: its own, and those by mounts of directories that it lies in.

    Args:
        directory: its path, without symbolic links.
    """
    mounts = _mounts()
    # Of those at the same path, the last one shows.
    holder = max(
        (mount for mount in mounts[::-1] if is_below(directory, mount.path)),
        key=lambda mount: len(mount.path),
    )
    place = _joined(holder.root, os.path.relpath(directory, holder.path))
    others = [
        _joined(mount.path, os.path.relpath(place, mount.root))
        for mount in mounts
        if mount.device == holder.device and is_below(place, mount.root)
    ]
    return list(dict.fromkeys([directory, *others]))


def _joined(folder: str, relative: str) -> str:
    return os.path.normpath(os.path.join(folder, relative))


def _mounts() -> list[MountInfo]:
    proc = os.open("/proc/self", os.O_PATH | os.O_CLOEXEC)
    try:
        return read_mounts(proc)
    finally:
        os.close(proc)
