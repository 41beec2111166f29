"""User ids: which ids of the machine stand for those of a sandbox (user_namespaces(7)).

The kernel counts much per user: processes, inotify watches, descriptors in flight, pending
signals. So sandboxes use ids that nothing else on the machine uses. On disk, owners are translated
by id-mapped mounts (mount_setattr(2), "ID-mapped mounts"), which cost nothing per file.
"""

from __future__ import annotations

import errno
import os
import signal

from . import mounts, parent
from .calls import NOW
from .clone import clone
from .namespaces import CLONE_NEWUSER

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .calls import PreparedCalls

#: Ids in a sandbox: enough for every system account and `nobody` (65534).
COUNT = 65536
#: First id of the machine that sandboxes with shared ids use: above what useradd gives to people's
#: subordinate ranges, within what systemd keeps for containers (its UIDS-GIDS document).
SHIFT = 0x6FFF0000


def write_map(pid: int, first: int, count: int, *, proc: str = "/proc") -> None:
    """Let ids `0..count` of a process's user namespace be `first..` of ours.

    Args:
        pid: of the process, which has entered a new user namespace. It can be done once.
        first: the first of our ids.
        count: how many.
        proc: where `proc(5)` is mounted.

    Raises:
        OSError: the kernel refused it.
    """
    lines = f"0 {first} {count}"
    if count > 1:
        # A line must lie within one line of the map of the outer namespace, and where newuidmap(1)
        # made that one, it has two: our own id as root, and a subordinate range.
        lines = f"0 {first} 1\n1 {first + 1} {count - 1}"
    for name in ("uid_map", "gid_map"):
        # Not `open`, whose layers take longer than the call itself; each sandbox waits for this.
        fd = os.open(f"{proc}/{pid}/{name}", os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.write(fd, lines.encode())
        finally:
            os.close(fd)


def become_root(calls: PreparedCalls = NOW) -> None:
    """Take id 0 of our user namespace, in which the process has no id so far."""
    calls.add("setresgid", 0, 0, 0)
    # Where an unprivileged process mapped its single id, the kernel refuses setgroups(2) for ever:
    # user_namespaces(7), "The /proc/pid/setgroups file".
    calls.add("setgroups", 0, None, allowed=(errno.EPERM, errno.EACCES))
    calls.add("setresuid", 0, 0, 0)


def namespace(first: int, count: int) -> int:
    """A descriptor of a user namespace that maps as `write_map` does; no process is in it.

    Raises:
        OSError: the kernel refused it.
    """
    # clone(2) makes a namespace with a process in it. Once that has ended, an open descriptor keeps
    # it alive: namespaces(7), "Namespace lifetime".
    maker = os.getpid()

    def hold() -> None:
        parent.die_with(maker)
        signal.pause()

    holder = clone(CLONE_NEWUSER, hold)
    try:
        write_map(holder, first, count)
        return os.open(f"/proc/{holder}/ns/user", os.O_RDONLY | os.O_CLOEXEC)
    finally:
        os.kill(holder, signal.SIGKILL)
        os.waitpid(holder, 0)


def shifted_tree(path: str, userns: int) -> int:
    """A detached copy of the mount at `path` in which owners are shifted as in `userns`.

    Raises:
        OSError: the kernel refused it; not every file system can do it.
    """
    tree = mounts.open_tree(path)
    try:
        mounts.set_attributes(tree, mounts.MOUNT_ATTR_IDMAP, userns=userns)
    except OSError:
        os.close(tree)
        raise
    return tree
