"""What PID 1 of a sandbox takes from itself, and so from all that it starts."""

from __future__ import annotations

import ctypes
import resource

from ..kernel import caps, parent, prctl, seccomp

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..kernel.calls import PreparedCalls

#: The soft limit. The hard one stays high, for servers that raise their own.
_OPEN_FILES = 4096
#: The part of the hard limit that programs may have where they share a user id with others. A user
#: has so many descriptors in flight, sent and not received, as the limit of the process says that
#: sends one more: too_many_unix_fds() in net/core/scm.c. With a lower limit than that of the engine
#: and of a PID 1 that is built, programs cannot keep these from sending.
_PART_OF_OPEN_FILES = 3 / 4
#: The limit of core dumps, in bytes. A crash may leave a file as large as the program's memory, or
#: start the machine's handler as root of the machine. One byte is too little for a file, and is
#: what keeps the kernel from starting a handler, which 0 does not: do_coredump in fs/coredump.c.
#: The filter lets no program set it.
_CORE = 1
_Limits = ctypes.c_ulong * 2  # `struct rlimit` of setrlimit(2); made once: see `caps`


class Hardening:
    """Prepared once in the zygote, where the machine can still be asked; taken in each PID 1.

    Args:
        filter_program: of seccomp.
        own_ids: whether each sandbox has ids of the machine of its own.
    """

    def __init__(self, filter_program: bytes, *, own_ids: bool) -> None:
        self._filter = filter_program
        self._part = 1 if own_ids else _PART_OF_OPEN_FILES
        self._capabilities = caps.to_drop()

    def prepare(self, processes: int, zygote: int, calls: PreparedCalls) -> None:
        """Have `calls` reduce a process for good.

        Args:
            processes: how many processes and threads its user namespace may hold; the bound of a
                fork bomb where there is no pids cgroup.
            zygote: a pidfd of the parent, with which that process ends.
            calls: made by that process, a child of this one with the same hard limits.
        """
        # Counted for each user in each user namespace since Linux 5.14, for each user of the whole
        # machine before: getrlimit(2), user_namespaces(7).
        _lower(resource.RLIMIT_NPROC, processes, processes, calls)
        files = int(resource.getrlimit(resource.RLIMIT_NOFILE)[1] * self._part)
        _lower(resource.RLIMIT_NOFILE, min(_OPEN_FILES, files), files, calls)
        _lower(resource.RLIMIT_CORE, _CORE, _CORE, calls)
        # Before the filter, which refuses calls that are still needed up to here; and with
        # CAP_SYS_ADMIN gone, seccomp(2) wants no_new_privs first.
        caps.drop(self._capabilities, calls)
        prctl.forbid_new_privileges(calls)
        seccomp.install(self._filter, calls)
        # After the last change of credentials, which may set it back to fs.suid_dumpable: prctl(2),
        # PR_SET_DUMPABLE.
        prctl.forbid_inspection(calls)
        # Last: every change of ids or privileges clears it.
        parent.die_with_outer(zygote, calls)


def _lower(which: int, soft: int, hard: int, calls: PreparedCalls) -> None:
    # To raise a hard limit takes CAP_SYS_RESOURCE, which root of a container may lack:
    # setrlimit(2). So a lower one of the machine's stays.
    _, limit = resource.getrlimit(which)
    if limit != resource.RLIM_INFINITY:
        soft, hard = min(soft, limit), min(hard, limit)
    calls.add("setrlimit", which, _Limits(soft, hard))
