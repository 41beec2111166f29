"""Dumping the processes of a sandbox, each tree of them by itself.

All of them are stopped. CRIU dumps a process with all its descendants. It cannot dump PID 1, whose
files are the machine's, so each child of PID 1 is the root of a tree.
"""

from __future__ import annotations

import contextlib
import errno
import os

from ..filesystem.mount_points import IMAGE_SOURCE
from ..filesystem.tree_copier import copy_tree
from ..filesystem.walk import open_folder
from ..kernel.mountinfo import read_mounts
from ..protocol.criu import DumpedState, ExternalTerminal, ProcessTree
from . import external_terminals, processes
from .runner import CriuError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..protocol.criu import DumpRequest
    from .runner import CriuRunner

#: `--leave-running`: the sandbox resumes once all is copied. Connections are dumped too, without a
#: network lock: CRIU would run iptables(8) for that, which the image need not have, and nothing
#: moves since all ends are stopped. `--shell-job` allows terminals, `--force-irmap` finds watched
#: files by name, for an inode cannot be opened by its number on an overlay. Cgroups are not visible
#: inside. By default CRIU refuses deleted files of more than 1 MiB that are still open.
_OPTIONS = [
    "--leave-running",
    *("--tcp-established", "--network-lock", "skip"),
    *("--file-locks", "--shell-job", "--force-irmap"),
    *("--manage-cgroups=ignore", "--ghost-limit", "1G"),
]
#: Where to look for a file that is watched: the kernel tells an inode, and not a path.
_INOTIFY_SCAN = ("/etc", "/home", "/opt", "/root", "/run", "/srv", "/tmp", "/var")
_SHM = "/dev/shm"


def dump(criu: CriuRunner, request: DumpRequest) -> DumpedState:
    """Write images of all processes, and copies of files in memory.

    Args:
        criu: how.
        request: the engine's.

    Returns:
        What `restore` wants to know.

    Raises:
        CriuError: a process has something that CRIU cannot dump.
        OSError: what the kernel said.
    """
    _check_mounts()
    latest_pid = criu.latest_pid()
    trees = processes.trees(processes.scan())
    outside = set(request.pipes)
    pipes = {root: set(_pipes(family)) for root, family in trees.items()}
    _check_no_shared_pipes({root: held - outside for root, held in pipes.items()})
    # CRIU dumps a namespace, and the System V IPC in it, only where it differs from CRIU's own.
    own_ipc = _uses_sysv_ipc()
    terminals = external_terminals.with_master_outside(trees)
    outer = external_terminals.keys(terminals)
    options = [word for key in outer.values() for word in ("--external", key)]
    dumped = [_dump(criu, root, family, options, own_ipc) for root, family in trees.items()]
    _copy_shm(criu)
    running = [pid for family in trees.values() for pid in family if pid not in request.stopped]
    info = os.statvfs(f"/proc/self/fd/{criu.images}")
    return DumpedState(
        trees=dumped,
        running=running,
        latest_pid=latest_pid,
        terminals=[ExternalTerminal(number=n, key=key) for n, key in sorted(outer.items())],
        pipes=sorted(outside.intersection(*[set().union(*pipes.values())])),
        size=(info.f_blocks - info.f_bfree) * info.f_frsize,
    )


def _check_mounts() -> None:
    """Refuse what would be missing from a copy."""
    proc = os.open("/proc/self", os.O_PATH | os.O_CLOEXEC)
    for mount in read_mounts(proc):
        if mount.source == IMAGE_SOURCE:
            raise CriuError(
                f"{mount.path} is a mounted image, which a memory snapshot cannot hold: "
                "unmount it first"
            )
    os.close(proc)


def _dump(
    criu: CriuRunner, root: int, family: list[int], options: list[str], own_ipc: bool
) -> ProcessTree:
    name = str(root)
    os.mkdir(name, dir_fd=criu.images)
    options = ["--tree", name, *_OPTIONS, *options]
    options += [word for path in _INOTIFY_SCAN for word in ("--irmap-scan-path", path)]
    info = os.stat(f"/proc/{root}")
    errors = criu.run("dump", name, options, ids=(info.st_uid, info.st_gid), own_ipc=own_ipc)
    # All that CRIU tells of a full disk is the text of the error in its log.
    if os.strerror(errno.ENOSPC) in errors:
        raise OSError(errno.ENOSPC, "the memory of its processes takes more than is left", "")
    if errors:
        raise CriuError(f"process {root} ({processes.command(root)}): CRIU says: {errors}")
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


def _check_no_shared_pipes(pipes: dict[int, set[int]]) -> None:
    """Refuse trees that share a pipe: each would get its own."""
    owners: dict[int, int] = {}
    for root, inodes in pipes.items():
        for inode in inodes:
            other = owners.setdefault(inode, root)
            if other != root:
                raise CriuError(
                    f"process {root} ({processes.command(root)}) shares a pipe with process "
                    f"{other} ({processes.command(other)}), and neither descends from the other: "
                    "a memory snapshot holds pipes between a process and its descendants only"
                )


def _uses_sysv_ipc() -> bool:
    """Whether there is anything in the sandbox's IPC namespace, sysvipc(7)."""
    for name in ("shm", "sem", "msg"):
        with open(f"/proc/sysvipc/{name}") as file:
            if len(file.readlines()) > 1:  # the first are the titles
                return True
    return False


def _copy_shm(criu: CriuRunner) -> None:
    os.mkdir("shm", dir_fd=criu.images)
    os.mkdir("names", dir_fd=criu.images)
    copy_tree(open_folder(_SHM), open_folder("shm", criu.images), open_folder("names", criu.images))
