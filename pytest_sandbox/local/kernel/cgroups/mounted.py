"""Finding the hierarchies of control groups that are mounted, and our group in each."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

#: The controllers that limit sandboxes.
CONTROLLERS = ("pids", "memory", "cpu")


class MountedHierarchy:
    """One mounted tree of groups.

    Attributes:
        version: 1 or 2.
        controllers: the wanted ones that are mounted here. Which of them may be used in a group,
            version 2 says in each.
        folders: of the group that this process is in, then those above it.
    """

    def __init__(self, version: int, controllers: list[str], folders: list[str]) -> None:
        self.version = version
        self.controllers = controllers
        self.folders = folders


def find(wanted: Iterable[str]) -> list[MountedHierarchy]:
    """Each hierarchy that may have a controller for us.

    Args:
        wanted: names of the controllers.
    """
    own = _own_groups()
    found = []
    with open("/proc/self/mountinfo") as file:
        for line in file:
            # Optional fields end with a hyphen; then follow the type, the source and the options of
            # the file system: proc_pid_mountinfo(5).
            before, _, after = line.partition(" - ")
            root, mountpoint = before.split()[3:5]
            kind, _, options = after.split(maxsplit=2)
            if kind == "cgroup2":
                controllers, group = _available(mountpoint, wanted), own.get("")
            elif kind == "cgroup":
                # The mount options of version 1 name the controllers of the hierarchy.
                controllers = [name for name in wanted if name in options.strip().split(",")]
                group = next((own[name] for name in controllers if name in own), None)
            else:
                continue
            if group is None or not controllers:
                continue
            version = 2 if kind == "cgroup2" else 1
            folders = folders_upwards(mountpoint, root, group)
            found.append(MountedHierarchy(version, controllers, folders))
    return found


def _available(folder: str, wanted: Iterable[str]) -> list[str]:
    """The wanted controllers that a group of version 2 has: cgroup-v2.rst."""
    try:
        with open(f"{folder}/cgroup.controllers") as file:
            available = file.read().split()
    except OSError:
        return []
    return [name for name in wanted if name in available]


def folders_upwards(mountpoint: str, root: str, group: str) -> list[str]:
    """The folder of a group, then those above it, up to where the hierarchy is mounted.

    Args:
        mountpoint: where.
        root: which group shows there; in a container, one far below the root of the hierarchy.
        group: its path from the root of the hierarchy.
    """
    below = os.path.relpath(group, root) if root != "/" else group.lstrip("/")
    if below.startswith(".."):
        below = ""  # another part of the hierarchy is mounted than the one that we are in
    folders = [mountpoint]
    for part in below.split("/"):
        if part not in ("", "."):
            folders.append(f"{folders[-1]}/{part}")
    return folders[::-1]


def _own_groups() -> dict[str, str]:
    """Our group by controller: `/proc/self/cgroup`. The one of version 2 has the name ""."""
    groups = {}
    with open("/proc/self/cgroup") as file:
        for line in file:
            _, names, path = line.rstrip("\n").split(":", 2)
            for name in names.split(","):
                groups[name] = path
    return groups
