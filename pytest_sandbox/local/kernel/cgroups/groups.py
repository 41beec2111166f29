"""The groups of all sandboxes of one zygote, in all hierarchies."""

from __future__ import annotations

import errno
import itertools
import time

from . import leftovers, mounted
from .group_usage import MEMORY_PEAK_FILE, PROCESSES_PEAK_FILE, GroupUsage
from .hierarchy import Hierarchy
from .limits import DEVICES, PROCESSES_FILE, USAGE_FILE
from .sandbox_group import SandboxGroup

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .limits import CgroupLimits
    from .mounted import MountedHierarchy

#: How often, and after how many seconds each time, to try to remove what is still busy at the end.
_ATTEMPTS, _PAUSE = 50, 0.01
#: How many groups of sandboxes that are gone are kept for others.
_SPARE = 16
#: The part of its limit that may be in use in a group when another sandbox gets it.
_PART = 100


class SandboxGroups:
    """Makes and removes the groups of sandboxes.

    Args:
        memory: bytes that all sandboxes together may use.
        devices: whether some sandboxes may open certain devices only.

    Attributes:
        refused: why a controller cannot be used here, by its name.

    Raises:
        OSError: the kernel refused that limit.
    """

    def __init__(self, memory: int, *, devices: bool = False) -> None:
        self.refused: dict[str, str] = {}
        self._by_controller: dict[str, Hierarchy] = {}
        self._hierarchies: list[Hierarchy] = []
        self._names = itertools.count(1)
        self._spare: list[SandboxGroup] = []
        self._stale: list[SandboxGroup] = []
        wanted = (*mounted.CONTROLLERS, *((DEVICES,) if devices else ()))
        for hierarchy in mounted.find(wanted):
            self._open(hierarchy)
        for name in mounted.CONTROLLERS:
            if name not in self._by_controller:
                self.refused.setdefault(name, "this machine has no such cgroup controller mounted")
        self.refused.pop(DEVICES, None)  # a second wall, where there is one
        if "memory" in self._by_controller:
            try:
                self._by_controller["memory"].bound_memory(memory)
            except OSError:
                self.leave()
                raise

    @property
    def controllers(self) -> list[str]:
        """Those that can be used here, to limit what sandboxes take."""
        return sorted(self._by_controller.keys() - {DEVICES})

    @property
    def paths(self) -> list[str]:
        """Folders of the engine's groups, to be removed by whichever process ends last."""
        return [hierarchy.path for hierarchy in self._hierarchies]

    def make(self, limits: CgroupLimits) -> SandboxGroup:
        """Make the groups of a sandbox, or take spare ones; leaves nothing behind if that fails.

        Raises:
            OSError: the kernel refused it.
        """
        for group in reversed(self._spare):  # the files of the last one are still open
            if group.limits == limits:
                self._spare.remove(group)
                return group
        files = self._files(limits)
        # The zygote has its priority only among what is in its group. With others in there, the
        # kernel would take most of the group's share of each processor for it, and go on to do so
        # for a while after it has been busy: calc_group_shares() in kernel/sched/fair.c. In version
        # 2, all are in groups of their own.
        shared = [each for each in self._hierarchies if each.version == 1 and each not in files]
        group = SandboxGroup(str(next(self._names)), limits, files, shared)
        try:
            group.make()
        except OSError:
            self._remove(group)
            raise
        return group

    def out_of_memory(self, group: SandboxGroup) -> bool:
        """Whether the kernel killed a process of a sandbox for lack of memory."""
        memory = self._by_controller.get("memory")
        return memory is not None and memory.oom_kills(group.name) > 0

    def usage(self, group: SandboxGroup) -> int | None:
        """Bytes of memory that count for a sandbox; `None` if that is not known."""
        memory = self._by_controller.get("memory")
        return None if memory is None else memory.count(group.name, USAGE_FILE[memory.version])

    def is_alone(self, group: SandboxGroup) -> bool:
        """Whether a sandbox has one process; False if that is not known."""
        pids = self._by_controller.get("pids")
        return pids is not None and pids.count(group.name, PROCESSES_FILE) == 1

    def figures(self, group: SandboxGroup) -> GroupUsage:
        """What a sandbox used so far."""
        memory, pids = (self._by_controller.get(name) for name in ("memory", "pids"))
        group.counted = GroupUsage(
            self._cpu_seconds(group),
            None if memory is None else memory.count(group.name, MEMORY_PEAK_FILE[memory.version]),
            None if pids is None else pids.count(group.name, PROCESSES_PEAK_FILE),
            None if memory is None else memory.oom_kills(group.name),
        )
        return group.counted.since(group.before)

    def dismiss(self, group: SandboxGroup) -> None:
        """Free the groups of a sandbox that is gone.

        Some are kept for the sandboxes to come: to make and to remove one takes the kernel longer
        than all else that it does for cgroups.
        """
        if self._is_like_new(group):
            group.before = group.counted
            # It was counted while it ended, which took time too.
            group.before.cpu_seconds = self._cpu_seconds(group)
            memory = self._by_controller.get("memory")
            if memory is not None and memory.reset_memory_peak(group.name):
                group.before.memory = 0
            self._spare.append(group)
            for oldest in self._spare[:-_SPARE]:
                self._spare.remove(oldest)
                self._remove(oldest)
        else:
            self._remove(group)

    def _cpu_seconds(self, group: SandboxGroup) -> float | None:
        seconds = (hierarchy.cpu_seconds(group.name) for hierarchy in self._hierarchies)
        return next((each for each in seconds if each is not None), None)

    def sweep(self) -> bool:
        """Remove the groups of sandboxes that are gone; whether some are still busy."""
        self._stale = [group for group in self._stale if not group.remove()]
        return bool(self._stale)

    def leave(self) -> None:
        """Remove all that is empty; waits for half a second if something is not."""
        self._stale += self._spare
        self._spare.clear()
        for _ in range(_ATTEMPTS):
            if not self.sweep():
                break
            time.sleep(_PAUSE)
        for hierarchy in self._hierarchies:
            hierarchy.leave()

    def _open(self, found: MountedHierarchy) -> None:
        """Use the first folder, from our group upwards, in which groups can be made.

        Ours may hold other processes, beside which version 2 allows no groups with controllers. A
        group above may be ours to divide too: systemd delegates one to each user session.
        """
        error: OSError | None = None
        for folder in found.folders:
            # A group outlives what was in it, and the engine that made it: cgroups(7).
            leftovers.sweep(folder)
            try:
                hierarchy = Hierarchy(found.version, found.controllers, folder, found.folders[0])
            except OSError as refusal:
                error = error or refusal
                continue
            try:
                hierarchy.enter()
                if hierarchy.controllers:
                    break
            except OSError as refusal:
                error = error or refusal
            else:
                error = error or _not_enabled(folder)
            hierarchy.leave()
        else:
            self.refused.update(dict.fromkeys(found.controllers, str(error)))
            return
        self._hierarchies.append(hierarchy)
        self._by_controller.update(dict.fromkeys(hierarchy.controllers, hierarchy))
        # Version 2 may have more than what is enabled there.
        missing = set(found.controllers) - set(hierarchy.controllers)
        self.refused.update(dict.fromkeys(missing, str(_not_enabled(folder))))

    def _files(self, limits: CgroupLimits) -> dict[Hierarchy, dict[str, str]]:
        """Control files to write, and their contents, by hierarchy."""
        files: dict[Hierarchy, dict[str, str]] = {}
        for controller, by_version in limits.files().items():
            hierarchy = self._by_controller.get(controller)
            if hierarchy is not None:
                files.setdefault(hierarchy, {}).update(by_version[hierarchy.version])
        return files

    def _remove(self, group: SandboxGroup) -> None:
        self._stale.append(group)
        self.sweep()

    def _is_like_new(self, group: SandboxGroup) -> bool:
        """Whether another sandbox can have the groups and as much memory as it may use.

        What the one that is gone has written to volumes and snapshots still counts in its group,
        and so do the files of the machine that it was the first to read.
        """
        if self.out_of_memory(group):
            return False  # else each sandbox that has them would count as killed for that
        pids = self._by_controller.get("pids")
        # A helper that works on it may not have ended yet.
        if pids is None or pids.count(group.name, PROCESSES_FILE) != 0:
            return False
        usage = self.usage(group)
        unbounded = "memory" not in self._by_controller
        return unbounded or (usage is not None and usage <= group.limits.memory // _PART)


def _not_enabled(folder: str) -> OSError:
    """Groups below a folder lack a controller, which only whoever made that can change."""
    path = f"{folder}/cgroup.subtree_control"
    return OSError(errno.ENODEV, "the controller is not enabled for groups below this one", path)
