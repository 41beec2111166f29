"""A folder of the machine that the `host` image shows."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Literal

from ...kernel.mountinfo import read_mounts

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
    proc = os.open("/proc/self", os.O_PATH | os.O_CLOEXEC)
    try:
        paths = [mount.path for mount in read_mounts(proc)]
    finally:
        os.close(proc)
    return [path for path in paths if path != folder and is_below(path, folder)]
