"""What PID 1 of a sandbox takes from itself, and so from all that it starts."""

from __future__ import annotations

import resource
import signal

from ..kernel import caps, prctl, seccomp

_OPEN_FILES = 4096


class Hardening:
    """Prepared once in the zygote, where the machine can still be asked; applied in each PID 1."""

    def __init__(self, filter_program: bytes) -> None:
        self._filter = filter_program
        self._capabilities = caps.to_drop()

    def apply(self, processes: int) -> None:
        """Reduce this process for good.

        Args:
            processes: how many processes and threads its user namespace may hold; the bound of a
                fork bomb where there is no pids cgroup.
        """
        _lower(resource.RLIMIT_NPROC, processes, processes)
        _lower(resource.RLIMIT_NOFILE, _OPEN_FILES, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
        _lower(resource.RLIMIT_CORE, 0, 0)
        caps.drop(self._capabilities)
        prctl.forbid_new_privileges()
        seccomp.install(self._filter)
        prctl.forbid_inspection()
        # Last: every change of ids or privileges clears it.
        prctl.die_with_parent(signal.SIGKILL)


def _lower(which: int, soft: int, hard: int) -> None:
    _, limit = resource.getrlimit(which)
    if limit != resource.RLIM_INFINITY:
        soft, hard = min(soft, limit), min(hard, limit)
    resource.setrlimit(which, (soft, hard))
