"""The user namespace of a zygote whom the machine's root starts without the right to mount.

That is the usual root of a container, without cgroups. If sandboxes had its id, they would count as
the machine's root, to whom the kernel sets no limit of processes: getrlimit(2), RLIMIT_NPROC.
"""

from __future__ import annotations

import os

from ..kernel import caps, idmap, namespaces, prctl
from ..kernel.syscalls import libc


def enter_as_root(first: int, count: int) -> None:
    """Enter new user, mount and UTS namespaces.

    The process keeps the id of root for looking up files, until it takes one of the namespace.

    Args:
        first: first id of the machine that the user namespace has; nothing else should have it.
        count: how many it has.

    Raises:
        OSError: the kernel refused it.
    """
    # The owner of a user namespace is the effective user of its maker, and pays for what is
    # counted in there, see `user_limits`; he need not have an id in it. Its last id, which
    # programs seldom have.
    os.setresuid(-1, first + count - 1, -1)
    libc.setfsuid(0)
    # To map several ids takes both: user_namespaces(7), "Defining user and group ID mappings".
    caps.use_only((caps.CAP_DAC_OVERRIDE, caps.CAP_SETGID, caps.CAP_SETUID))
    prctl.allow_inspection()  # by ourselves: the map of our child is ours to write
    users = idmap.namespace(first, count)
    try:
        namespaces.enter(users, namespaces.CLONE_NEWUSER)
    finally:
        os.close(users)
    namespaces.unshare(namespaces.CLONE_NEWNS | namespaces.CLONE_NEWUTS)
