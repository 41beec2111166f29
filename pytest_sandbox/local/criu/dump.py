"""Keeping the processes of a sandbox, each tree of them by itself.

All of them stand still. CRIU takes a tree from a root downwards, and PID 1, which is ours, is
none that it could take; so what has it as parent is a tree.
"""

from __future__ import annotations

import contextlib
import errno
import os

from ..filesystem.mount_points import IMAGE_SOURCE
from ..filesystem.tree_copier import copy_tree
from ..filesystem.walk import open_folder
from ..kernel.mountinfo import read_mounts
from ..protocol.criu import DumpedState, OutsideTerminal, ProcessTree
from . import outside_terminals, processes
from .run import Refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..protocol.criu import DumpRequest
    from .run import Tools

_OPTIONS = [
    "--leave-running",
    *("--tcp-established", "--network-lock", "skip"),
    *("--file-locks", "--shell-job", "--force-irmap"),
    *("--manage-cgroups=ignore", "--ghost-limit", "1G"),
]
#: Where to look for a file that is watched: the kernel tells an inode, and not a path.
_WATCHED = ("/etc", "/home", "/opt", "/root", "/run", "/srv", "/tmp", "/var")
_SHARED = "/dev/shm"


def dump(tools: Tools, request: DumpRequest) -> DumpedState:
    """Write images of all processes, and copies of files in memory.

    Args:
        tools: how.
        request: the engine's.

    Returns:
        What `restore` wants to know.

    Raises:
        Refused: a process holds something that cannot be kept.
        OSError: what the kernel said.
    """
    _check_mounts()
    latest = tools.count()
    trees = processes.trees(processes.scan())
    outside = set(request.pipes)
    pipes = {root: set(_pipes(family)) for root, family in trees.items()}
    _check_apart({root: held - outside for root, held in pipes.items()})
    own_ipc = _has_ipc()
    terminals = outside_terminals.led_outside(trees)
    outer = outside_terminals.keys(terminals)
    options = [word for key in outer.values() for word in ("--external", key)]
    dumped = [_dump(tools, root, family, options, own_ipc) for root, family in trees.items()]
    _copy_shared(tools)
    going = [pid for family in trees.values() for pid in family if pid not in request.stopped]
    info = os.statvfs(f"/proc/self/fd/{tools.images}")
    return DumpedState(
        trees=dumped,
        going=going,
        latest=latest,
        terminals=[OutsideTerminal(number=n, key=key) for n, key in sorted(outer.items())],
        pipes=sorted(outside.intersection(*[set().union(*pipes.values())])),
        size=(info.f_blocks - info.f_bfree) * info.f_frsize,
    )


def _check_mounts() -> None:
    """Refuse what would be missing from a copy."""
    proc = os.open("/proc/self", os.O_PATH | os.O_CLOEXEC)
    for mount in read_mounts(proc):
        if mount.source == IMAGE_SOURCE:
            raise Refused(
                f"{mount.path} is a mounted image, and those are not kept with processes: "
                "unmount it first"
            )
    os.close(proc)


def _dump(
    tools: Tools, root: int, family: list[int], options: list[str], own_ipc: bool
) -> ProcessTree:
    name = str(root)
    os.mkdir(name, dir_fd=tools.images)
    options = ["--tree", name, *_OPTIONS, *options]
    options += [word for path in _WATCHED for word in ("--irmap-scan-path", path)]
    info = os.stat(f"/proc/{root}")
    words = tools.run("dump", name, options, ids=(info.st_uid, info.st_gid), own_ipc=own_ipc)
    if os.strerror(errno.ENOSPC) in words:
        raise OSError(errno.ENOSPC, "the memory of its processes takes more than is left", "")
    if words:
        raise Refused(f"process {root} ({processes.command(root)}): CRIU says: {words}")
    return ProcessTree(root=root, session=os.getsid(root), family=family)


def _pipes(family: list[int]) -> Iterator[int]:
    """Inodes of the pipes that processes have open."""
    for pid in family:
        folder = f"/proc/{pid}/fd"
        with contextlib.suppress(OSError):  # a process that has ended has none
            for name in os.listdir(folder):
                target = os.readlink(f"{folder}/{name}")
                if target.startswith("pipe:["):
                    yield int(target[6:-1])


def _check_apart(pipes: dict[int, set[int]]) -> None:
    """Refuse trees that share a pipe: each would get its own."""
    owners: dict[int, int] = {}
    for root, inodes in pipes.items():
        for inode in inodes:
            other = owners.setdefault(inode, root)
            if other != root:
                raise Refused(
                    f"process {root} ({processes.command(root)}) has a pipe in common with process "
                    f"{other} ({processes.command(other)}), and neither descends from the other: "
                    "pipes are kept between a process and its descendants"
                )


def _has_ipc() -> bool:
    """Whether there is anything in the sandbox's IPC namespace, sysvipc(7)."""
    for name in ("shm", "sem", "msg"):
        with open(f"/proc/sysvipc/{name}") as file:
            if len(file.readlines()) > 1:  # the first are the titles
                return True
    return False


def _copy_shared(tools: Tools) -> None:
    os.mkdir("shm", dir_fd=tools.images)
    os.mkdir("names", dir_fd=tools.images)
    copy_tree(
        open_folder(_SHARED), open_folder("shm", tools.images), open_folder("names", tools.images)
    )
