"""What a sandbox may use, as values of control files: cgroup-v1/memory.rst, cgroup-v2.rst."""

from __future__ import annotations

import os

from .device_rules import control_files

#: The controller of version 1 that version 2 has programs for instead.
DEVICES = "devices"
_PERIOD = 100_000  # microseconds, the kernel's default
_SHORTEST_QUOTA = 1000  # microseconds; min_cfs_quota_period in kernel/sched/core.c
#: Bounds what sockets of IPv4 and IPv6 hold, which version 2 counts as memory.
_SOCKETS_FILE = "memory.kmem.tcp.limit_in_bytes"
#: Files that a kernel without swap, or without counting it or sockets, does not have.
OPTIONAL_FILES = frozenset({"memory.memsw.limit_in_bytes", "memory.swap.max", _SOCKETS_FILE})
#: The parts of the machine's memory that sockets of one sandbox may hold, and those of all. From a
#: sixteenth on, the kernel gives less to each TCP connection of the machine: tcp_init_mem in
#: net/ipv4/tcp.c.
_SOCKETS_OF_ONE, _SOCKETS_OF_ALL = 128, 32
#: The file that bounds memory, by version.
MEMORY_FILE = {1: "memory.limit_in_bytes", 2: "memory.max"}
#: The file that counts kills for lack of memory, by version.
KILLS_FILE = {1: "memory.oom_control", 2: "memory.events"}
#: The file that tells how much memory is in use, by version.
USAGE_FILE = {1: "memory.usage_in_bytes", 2: "memory.current"}
#: The file that counts processes.
PROCESSES_FILE = "pids.current"


def of_all(version: int, memory: int) -> dict[str, str]:
    """Control files, and their values, for the group of all sandboxes.

    Args:
        version: of the hierarchy that has memory.
        memory: bytes that they may use.
    """
    files = {MEMORY_FILE[version]: str(memory)}
    if version == 1:
        files[_SOCKETS_FILE] = str(_part(_SOCKETS_OF_ALL))
    return files


def _part(divisor: int) -> int:
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // divisor


class CgroupLimits:
    """Limits of one sandbox.

    Attributes:
        processes: processes and threads.
        memory: bytes.
        cpus: processors, may be a fraction, or `None`.
        gpus: numbers of the devices that it may open besides the usual ones; `None` for no such
            limit.
    """

    def __init__(
        self,
        processes: int,
        memory: int,
        cpus: float | None,
        gpus: list[tuple[int, int]] | None = None,
    ) -> None:
        self.processes = processes
        self.memory = memory
        self.cpus = cpus
        self.gpus = gpus

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
                    _SOCKETS_FILE: str(min(self.memory // 4, _part(_SOCKETS_OF_ONE))),
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
        if self.gpus is not None:
            wanted[DEVICES] = {1: control_files(self.gpus)}
        return wanted
