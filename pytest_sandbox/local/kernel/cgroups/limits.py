"""What a sandbox may use, as values of control files: cgroup-v1/memory.rst, cgroup-v2.rst."""

from __future__ import annotations

_PERIOD = 100_000  # microseconds, the kernel's default
_SHORTEST_QUOTA = 1000  # microseconds; min_cfs_quota_period in kernel/sched/core.c
#: Files that a kernel without swap, or without counting it, does not have.
OPTIONAL_FILES = frozenset({"memory.memsw.limit_in_bytes", "memory.swap.max"})
#: The file that bounds memory, by version.
MEMORY_FILE = {1: "memory.limit_in_bytes", 2: "memory.max"}
#: The file that counts kills for lack of memory, by version.
KILLS_FILE = {1: "memory.oom_control", 2: "memory.events"}
#: The file that tells how much memory is in use, by version.
USAGE_FILE = {1: "memory.usage_in_bytes", 2: "memory.current"}
#: The file that counts processes.
PROCESSES_FILE = "pids.current"


class CgroupLimits:
    """Limits of one sandbox.

    Attributes:
        processes: processes and threads.
        memory: bytes.
        cpus: processors, may be a fraction, or `None`.
    """

    def __init__(self, processes: int, memory: int, cpus: float | None) -> None:
        self.processes = processes
        self.memory = memory
        self.cpus = cpus

    # They are compared with those of groups that exist.
    def __eq__(self, other: object) -> bool:
        return isinstance(other, CgroupLimits) and self.__dict__ == other.__dict__

    __hash__ = None  # type: ignore[assignment]

    def files(self) -> dict[str, dict[int, dict[str, str]]]:
        """Control files to write, by controller and version."""
        wanted = {
            "pids": {version: {"pids.max": str(self.processes)} for version in (1, 2)},
            # Without swap: a limit that programs get around by being slow is none. In version 1,
            # memsw is memory and swap together, and may not be less than memory alone.
            "memory": {
                1: {
                    MEMORY_FILE[1]: str(self.memory),
                    "memory.memsw.limit_in_bytes": str(self.memory),
                },
                2: {MEMORY_FILE[2]: str(self.memory), "memory.swap.max": "0"},
            },
        }
        if self.cpus is not None:
            quota = max(_SHORTEST_QUOTA, int(self.cpus * _PERIOD))
            wanted["cpu"] = {
                1: {"cpu.cfs_quota_us": str(quota)},
                2: {"cpu.max": f"{quota} {_PERIOD}"},
            }
        return wanted
