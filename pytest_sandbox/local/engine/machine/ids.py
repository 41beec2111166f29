"""Which ids a rootless zygote may use, and mapping them: user_namespaces(7), subuid(5).

A process that makes a user namespace cannot map more than its own id there. For more, an ordinary
user needs the set-user-ID programs newuidmap(1) and newgidmap(1), which check `/etc/subuid` and
`/etc/subgid`. They have to be run outside of the new namespace, so the engine maps the zygote's.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import stat
import subprocess

from pytest_sandbox._shared.lazy_dataclass import dataclass

from ...kernel.idmap import COUNT, write_map
from ...options import Mode

#: The first that useradd gives: SUB_UID_MIN of login.defs(5).
_FIRST = 100000


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


def is_root_of_machine() -> bool:
    """Whether our user is the machine's root, whom the kernel allows more than other users.

    Root of a container is, unless that has a user namespace of its own with other ids.
    """
    if os.geteuid() != 0:
        return False
    with open("/proc/self/uid_map") as file:
        inside, outside, _ = map(int, file.readline().split())
    return inside == outside == 0


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
    if (found := _own_range(path)) is not None:
        return found
    raise IdsRefused(f"{path} has no {COUNT} ids for {user_name()}", _add_ids(path[:-3]))


def _own_range(path: str) -> IdRange | None:
    # subuid(5): an owner is given by name or by number.
    names = {user_name(), str(os.geteuid())}
    own = (ids for owner, ids in _ranges(path) if owner in names and ids.count >= COUNT - 1)
    return next(own, None)


def _ranges(path: str) -> list[tuple[str, IdRange]]:
    """Who has which ids by such a file."""
    found = []
    with contextlib.suppress(OSError), open(path) as file:  # no file, no range
        for line in file:
            owner, _, rest = line.strip().partition(":")
            first, _, size = rest.partition(":")
            if first.isdigit() and size.isdigit():
                found.append((owner, IdRange(int(first), int(size))))
    return found


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
    """For root of a container with ids of its own: of the machine's, the zygote maps others."""
    try:
        write_map(pid, 0, COUNT)
    except OSError as error:
        raise _not_mapped(error) from error


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
            raise IdsRefused(f"new{kind}map: {done.stderr.strip()}", _why_it_failed(command))


def _add_ids(files: str) -> str:
    """The command that adds what is missing, of ids that are free.

    Args:
        files: how the paths of both begin, `/etc/sub`.
    """
    kinds = [kind for kind in ("uid", "gid") if _own_range(files + kind) is None]
    taken = [ids for kind in ("uid", "gid") for _, ids in _ranges(files + kind)]
    first = max([_FIRST, *(ids.first + ids.count for ids in taken)])
    added = " ".join(f"--add-sub{kind}s {first}-{first + COUNT - 1}" for kind in kinds)
    return f"sudo usermod {added} {user_name()}"


def _why_it_failed(command: str) -> str:
    """What to do about newuidmap(1) or newgidmap(1), though the files have ids for our user."""
    with open("/proc/self/status") as file:
        if "NoNewPrivs:\t1\n" in file:
            return "allow new privileges: newuidmap has some, and no_new_privs is set: prctl(2)"
    if os.stat(command).st_mode & stat.S_ISUID or _has_capabilities(command):
        return ""
    return "sudo apt-get install --reinstall uidmap"


def _has_capabilities(path: str) -> bool:
    """Whether a program has file capabilities: capabilities(7)."""
    try:
        return "security.capability" in os.listxattr(path)
    except OSError:  # a file system without attributes
        return False


def _write(pid: int, name: str, text: str) -> None:
    try:
        with open(f"/proc/{pid}/{name}", "w") as file:
            file.write(text)
    except OSError as error:
        raise _not_mapped(error) from error


def _not_mapped(error: OSError) -> IdsRefused:
    reason = f"/proc/PID/uid_map or gid_map: {error.strerror}"
    return IdsRefused(reason, "allow user namespaces for this user")
