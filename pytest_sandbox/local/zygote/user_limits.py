"""What the kernel counts for a user, and how much of it a sandbox may have.

Much is counted for a user in a user namespace, and once more for the owner of that namespace in the
one outside, and so on outwards: `inc_ucount` and `inc_rlimit_ucounts` in kernel/ucount.c. Each time
a bound of the inner namespace holds: `/proc/sys/user`, namespaces(7), and the resource limits that
its maker had, since Linux 5.14. The owner is the effective user of the maker: user_namespaces(7).
"""

from __future__ import annotations

import contextlib
import os
import resource
import signal

from ..kernel import caps, prctl
from ..kernel.syscalls import libc

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

#: Resource limits that are counted in this way: getrlimit(2).
_RESOURCES = (resource.RLIMIT_SIGPENDING, resource.RLIMIT_MSGQUEUE)
#: What else is: inotify(7).
_COUNTS = ("max_inotify_instances", "max_inotify_watches")
#: The part of our bounds outside that one sandbox of an ordinary user may have: enough for a few
#: programs that watch files.
_PART = 4


class OutsideLimits:
    """What an ordinary user may have, of which sandboxes take parts."""

    def __init__(self) -> None:
        self._counts = {name: int(_read(name)) for name in _COUNTS}

    def take_half(self) -> None:
        """Before the zygote makes its user namespace: the resources of all sandboxes together."""
        halve_resources()

    def bound_each_sandbox(self) -> None:
        """In that namespace: the counts of each owner in there, so of each sandbox.

        Raises:
            OSError: the kernel refused it.
        """
        for name, count in self._counts.items():
            with open(f"/proc/sys/user/{name}", "w") as file:
                file.write(str(max(1, count // _PART)))


def halve_resources() -> None:
    """Lower our own limits of resources, and so those of a user namespace that is made now."""
    for which in _RESOURCES:
        soft, hard = resource.getrlimit(which)
        if soft != resource.RLIM_INFINITY:
            resource.setrlimit(which, (soft // 2, hard))


@contextlib.contextmanager
def owned_by(owner: int, processes: int, *, rootless: bool) -> Iterator[None]:
    """While inside, a user namespace that this process makes belongs to another id.

    If it were our own for all sandboxes, one could use up what the others may have.

    Args:
        owner: the id, of our own user namespace, of which we are root.
        processes: how many processes and threads the namespace may have, of all its users together.
        rootless: whether all owners together count for our user outside.
    """
    limits = {which: resource.getrlimit(which) for which in (*_RESOURCES, resource.RLIMIT_NPROC)}
    try:
        _lower(resource.RLIMIT_NPROC, processes)
        if rootless:
            halve_resources()
        os.setresuid(-1, owner, -1)
        # With the rights of root over files, which clone3(2) asks for to start in a cgroup. It is
        # setfsuid(2) that gives them back: capabilities(7), "Effect of user ID changes".
        libc.setfsuid(0)
        # The signal that ends children with us, PR_SET_PDEATHSIG, is sent with our rights, and they
        # have other ids: without CAP_KILL, a zygote that is killed in here would leave them.
        caps.use_all()
        prctl.allow_inspection()  # by ourselves: the child's uid_map is ours to write
        yield
    finally:
        os.setresuid(-1, 0, -1)
        for which, limit in limits.items():
            resource.setrlimit(which, limit)
        # Both are cleared by a change of ids: prctl(2), PR_SET_DUMPABLE, PR_SET_PDEATHSIG.
        prctl.allow_inspection()
        prctl.die_with_parent(signal.SIGTERM)


def _lower(which: int, soft: int) -> None:
    _, hard = resource.getrlimit(which)
    resource.setrlimit(which, (soft if hard == resource.RLIM_INFINITY else min(soft, hard), hard))


def _read(name: str) -> str:
    with open(f"/proc/sys/user/{name}") as file:
        return file.read()
