"""What a group counted, in all the time that there is it: cgroup-v1/memory.rst, cgroup-v2.rst."""

from __future__ import annotations

#: The files that say how much there was at most, by version. In version 1, the one of memory can be
#: set back, which `PEAK_RESETS` says; elsewhere the kernel can do so for one reader only, or not.
MEMORY_PEAK_FILE = {1: "memory.max_usage_in_bytes", 2: "memory.peak"}
PROCESSES_PEAK_FILE = "pids.peak"
PEAK_RESETS = {1: True, 2: False}
#: A group that sandboxes had one after the other knows the most processes of them all. Up to this
#: number that is near enough to tell.
_FEW = 16


class GroupUsage:
    """What a group counted; `None` where the kernel does not say.

    Attributes:
        cpu_seconds: time on processors.
        memory: the most bytes at one time.
        processes: the most processes and threads at one time.
        oom_kills: processes that the kernel killed for lack of memory.
    """

    def __init__(
        self,
        cpu_seconds: float | None = None,
        memory: int | None = None,
        processes: int | None = None,
        oom_kills: int | None = None,
    ) -> None:
        self.cpu_seconds = cpu_seconds
        self.memory = memory
        self.processes = processes
        self.oom_kills = oom_kills

    def since(self, before: GroupUsage) -> GroupUsage:
        """What the sandbox used that has the group now.

        Args:
            before: what the group had counted when the sandbox got it.
        """
        cpu_seconds = self.cpu_seconds
        if cpu_seconds is not None and before.cpu_seconds is not None:
            cpu_seconds -= before.cpu_seconds
        return GroupUsage(
            cpu_seconds,
            _peak(self.memory, before.memory, 0),
            _peak(self.processes, before.processes, _FEW),
            self.oom_kills,  # no other sandbox gets a group in which there was one
        )


def _peak(now: int | None, before: int | None, few: int) -> int | None:
    """The most of one sandbox; `None` if that may be any number below that of an earlier one."""
    if now is None or before is None or now > before or now <= few:
        return now
    return None
