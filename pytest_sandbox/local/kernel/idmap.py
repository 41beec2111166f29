"""User ids: which ids of the machine stand for those of a sandbox (user_namespaces(7))."""

from __future__ import annotations

import contextlib
import os
import signal

from . import syscalls as sys_

#: Ids in a sandbox: enough for every system account and `nobody` (65534).
COUNT = 65536
#: First id of the machine that a shifted sandbox uses: above what useradd gives to people's
#: subordinate ranges, within what systemd keeps for containers (its UIDS-GIDS document).
SHIFT = 0x6FFF0000


def write_map(pid: int, first: int, count: int, *, proc: str = "/proc") -> None:
    """Let ids `0..count` of a process's user namespace be `first..` of ours."""
    lines = f"0 {first} {count}"
    if count > 1:
        # Each line has to lie within one of the outer map, and newuidmap(1) made two there.
        lines = f"0 {first} 1\n1 {first + 1} {count - 1}"
    for name in ("uid_map", "gid_map"):
        with open(f"{proc}/{pid}/{name}", "w") as file:
            file.write(lines)


def become_root() -> None:
    """Take id 0 of the own user namespace, where the process is nobody so far."""
    os.setresgid(0, 0, 0)
    with contextlib.suppress(PermissionError):  # refused where a single id is mapped
        os.setgroups([])
    os.setresuid(0, 0, 0)


def namespace(first: int, count: int) -> int:
    """A user namespace that maps as `write_map` does, as a descriptor; no process is in it."""
    holder = sys_.clone(sys_.CLONE_NEWUSER, signal.pause)
    try:
        write_map(holder, first, count)
        return os.open(f"/proc/{holder}/ns/user", os.O_RDONLY | os.O_CLOEXEC)
    finally:
        os.kill(holder, signal.SIGKILL)
        os.waitpid(holder, 0)


def shifted_tree(path: str, userns: int) -> int:
    """A detached copy of the mount at `path` in which owners are shifted as in `userns`."""
    tree = sys_.open_tree(path)
    try:
        sys_.mount_setattr(tree, sys_.MOUNT_ATTR_IDMAP, userns=userns)
    except OSError:
        os.close(tree)
        raise
    return tree
