"""Which ids a rootless zygote may use, and mapping them: user_namespaces(7), subuid(5).

A process that makes a user namespace cannot map more than its own id there. For more, an ordinary
user needs the set-user-ID programs newuidmap(1) and newgidmap(1), which check `/etc/subuid` and
`/etc/subgid`. They have to be run outside of the new namespace, so the engine maps the zygote's.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from dataclasses import dataclass

from ...kernel.idmap import COUNT
from ...options import Mode


class IdsRefused(Exception):
    """The machine does not give the ids.

    Args:
        reason: what is missing.
        remedy: the command that adds it.
    """

    def __init__(self, reason: str, remedy: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.remedy = remedy


@dataclass(frozen=True)
class IdRange:
    """Ids `first..first + count` of the machine."""

    first: int
    count: int


def count(mode: Mode) -> int:
    """How many ids a sandbox has in a mode."""
    return 1 if mode is Mode.SINGLE else COUNT


def give(mode: Mode, pid: int) -> None:
    """Map the ids of a process that entered a new user namespace, ours to root.

    Raises:
        IdsRefused: the machine does not give them.
    """
    if mode is Mode.SINGLE:
        _give_own(pid)
    elif os.geteuid() == 0:
        _give_all(pid)
    else:
        _give_subordinate(pid)


def subordinate(path: str) -> IdRange:
    """Our range in `/etc/subuid` or `/etc/subgid`.

    Raises:
        IdsRefused: there is none that is large enough.
    """
    # subuid(5): an owner is given by name or by number.
    names = {user_name(), str(os.geteuid())}
    try:
        with open(path) as file:
            for line in file:
                owner, _, rest = line.strip().partition(":")
                first, _, size = rest.partition(":")
                if owner in names and first.isdigit() and size.isdigit() and int(size) >= COUNT - 1:
                    return IdRange(int(first), int(size))
    except OSError:
        pass  # no file, no range
    raise IdsRefused(f"{path} has no {COUNT} ids for {user_name()}", _add_ids())


def user_name() -> str:
    """Our name; our number if no account has it."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())


def _give_own(pid: int) -> None:
    # The kernel's condition for an unprivileged gid_map: else a process could leave a group that
    # keeps it from a file. user_namespaces(7), "The /proc/pid/setgroups file".
    _write(pid, "setgroups", "deny")
    _write(pid, "uid_map", f"0 {os.geteuid()} 1")
    _write(pid, "gid_map", f"0 {os.getegid()} 1")


def _give_all(pid: int) -> None:
    """For root without the right to mount: in a container, say."""
    _write(pid, "uid_map", f"0 0 {COUNT}")
    _write(pid, "gid_map", f"0 0 {COUNT}")


def _give_subordinate(pid: int) -> None:
    for kind, own in (("uid", os.geteuid()), ("gid", os.getegid())):
        ids = subordinate(f"/etc/sub{kind}")
        command = shutil.which(f"new{kind}map")
        if command is None:
            raise IdsRefused(f"new{kind}map is not installed", "sudo apt-get install uidmap")
        arguments = [pid, 0, own, 1, 1, ids.first, COUNT - 1]
        done = subprocess.run(
            [command, *map(str, arguments)], capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise IdsRefused(f"new{kind}map: {done.stderr.strip()}", _add_ids())


def _add_ids() -> str:
    ids = "100000-165535"
    return f"sudo usermod --add-subuids {ids} --add-subgids {ids} {user_name()}"


def _write(pid: int, name: str, text: str) -> None:
    try:
        with open(f"/proc/{pid}/{name}", "w") as file:
            file.write(text)
    except OSError as error:
        reason = f"/proc/PID/{name}: {error.strerror}"
        raise IdsRefused(reason, "allow user namespaces for this user") from error
