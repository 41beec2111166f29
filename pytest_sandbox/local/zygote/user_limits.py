"""What the kernel counts for a user, and how much of it a sandbox may have.

Much is counted for a user in a user namespace, and once more for the owner of that namespace in the
one outside, and so on outwards: `inc_ucount` and `inc_rlimit_ucounts` in kernel/ucount.c. Each time
a bound of the inner namespace holds: `/proc/sys/user`, namespaces(7), and the resource limits that
its maker had, since Linux 5.14. The owner is the effective user of the maker: user_namespaces(7).
"""

from __future__ import annotations

import ctypes
import resource
import signal

from ..kernel import caps, prctl
from ..kernel.calls import PreparedCalls

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
_Limits = ctypes.c_ulong * 2  # `struct rlimit` of setrlimit(2)


class OutsideLimits:
    """What an ordinary user may have, of which sandboxes take parts."""

    def __init__(self) -> None:
        self._counts = {name: int(_read(name)) for name in _COUNTS}

    def take_half(self) -> None:
        """Before the zygote makes its user namespace: the resources of all sandboxes together."""
        for which, half in _halves():
            resource.setrlimit(which, half)

    def bound_each_sandbox(self) -> None:
        """In that namespace: the counts of each owner in there, so of each sandbox.

        Raises:
            OSError: the kernel refused it.
        """
        for name, count in self._counts.items():
            with open(f"/proc/sys/user/{name}", "w") as file:
                file.write(str(max(1, count // _PART)))


class NamespaceOwners:
    """Has user namespaces that this process makes belong to other ids.

    If they were our own for all sandboxes, one could use up what the others may have.

    Args:
        rootless: whether all owners together count for our user outside.
    """

    def __init__(self, *, rootless: bool) -> None:
        _, self._most_processes = resource.getrlimit(resource.RLIMIT_NPROC)
        self._owner = ctypes.c_long()
        self._processes = _Limits()
        self._change = change = PreparedCalls()
        self._change_back = change_back = PreparedCalls()
        change.add("setrlimit", resource.RLIMIT_NPROC, self._processes)
        if rootless:
            for which, half in _halves():
                change.add("setrlimit", which, _Limits(*half))
        change.add("setresuid", -1, self._owner, -1)
        # With the rights of root over files, which clone3(2) asks for to start in a cgroup. It is
        # setfsuid(2) that gives them back: capabilities(7), "Effect of user ID changes".
        change.add("setfsuid", 0)
        # The signal that ends children with us, PR_SET_PDEATHSIG, is sent with our rights, and they
        # have other ids: without CAP_KILL, a zygote that is killed meanwhile would leave them.
        caps.use_all(change)
        prctl.allow_inspection(change)  # by ourselves: the child's uid_map is ours to write
        change_back.add("setresuid", -1, 0, -1)
        for which in (*_RESOURCES, resource.RLIMIT_NPROC):
            change_back.add("setrlimit", which, _Limits(*resource.getrlimit(which)))
        # Both are cleared by a change of ids: prctl(2), PR_SET_DUMPABLE, PR_SET_PDEATHSIG.
        prctl.allow_inspection(change_back)
        prctl.die_with_parent(signal.SIGTERM, change_back)

    def change_to(self, owner: int, processes: int) -> None:
        """Until `change_back`, what this process makes belongs to another id.

        Args:
            owner: the id, of our own user namespace, of which we are root.
            processes: how many processes and threads the namespace may have, of all its users
                together.

        Raises:
            OSError: the kernel refused it.
        """
        self._owner.value = owner
        hard = self._most_processes
        soft = processes if hard == resource.RLIM_INFINITY else min(processes, hard)
        self._processes[0], self._processes[1] = soft, hard
        self._change.make()

    def change_back(self) -> None:
        """Be as before `change_to`."""
        self._change_back.make()


def _halves() -> Iterator[tuple[int, tuple[int, int]]]:
    """Limits of resources that are half of ours."""
    for which in _RESOURCES:
        soft, hard = resource.getrlimit(which)
        if soft != resource.RLIM_INFINITY:
            yield which, (soft // 2, hard)


def _read(name: str) -> str:
    with open(f"/proc/sys/user/{name}") as file:
        return file.read()
