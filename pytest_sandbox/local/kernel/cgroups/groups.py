"""The groups of all sandboxes of one zygote, in all hierarchies."""

from __future__ import annotations

import contextlib
import time

from . import leftovers, mounted
from .hierarchy import Hierarchy
from .joining import CgroupDescriptors

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .limits import CgroupLimits
    from .mounted import MountedHierarchy

#: How often, and after how many seconds each time, to try to remove what is still busy at the end.
_ATTEMPTS, _PAUSE = 50, 0.01


class SandboxGroups:
    """Makes and removes the groups of sandboxes.

    Args:
        memory: bytes that all sandboxes together may use.

    Attributes:
        refused: why a controller cannot be used here, by its name.
    """

    def __init__(self, memory: int) -> None:
        self.refused: dict[str, str] = {}
        self._by_controller: dict[str, Hierarchy] = {}
        self._hierarchies: list[Hierarchy] = []
        self._stale: set[tuple[Hierarchy, str]] = set()
        for hierarchy in mounted.find():
            self._open(hierarchy)
        for name in mounted.CONTROLLERS:
            if name not in self._by_controller:
                self.refused.setdefault(name, "this machine has no such cgroup controller mounted")
        if "memory" in self._by_controller:
            self._by_controller["memory"].bound_memory(memory)

    @property
    def controllers(self) -> list[str]:
        """Those that can be used here."""
        return sorted(self._by_controller)

    @property
    def paths(self) -> list[str]:
        """Folders of the engine's groups, to be removed by whichever process ends last."""
        return [hierarchy.path for hierarchy in self._hierarchies]

    def make(self, name: str, limits: CgroupLimits) -> CgroupDescriptors:
        """Make the groups of a sandbox; leaves nothing behind if that fails.

        Raises:
            OSError: the kernel refused it.
        """
        files: dict[Hierarchy, dict[str, str]] = {}
        for controller, by_version in limits.files().items():
            hierarchy = self._by_controller.get(controller)
            if hierarchy is not None:
                files.setdefault(hierarchy, {}).update(by_version[hierarchy.version])
        cgroups = CgroupDescriptors()
        try:
            for hierarchy, values in files.items():
                hierarchy.make(name, values)
                cgroups.add(hierarchy.version, hierarchy.open_group(name))
        except OSError:
            cgroups.close()
            self.dismiss(name)
            raise
        return cgroups

    def open_groups(self, name: str) -> CgroupDescriptors:
        """Descriptors of the groups of a sandbox, for one more process of it."""
        cgroups = CgroupDescriptors()
        for hierarchy in self._hierarchies:
            with contextlib.suppress(FileNotFoundError):  # it has no limit of this kind
                cgroups.add(hierarchy.version, hierarchy.open_group(name))
        return cgroups

    def dismiss(self, name: str) -> bool:
        """Remove the groups of a sandbox that is gone; whether the kernel killed it for memory."""
        killed = self._out_of_memory(name)
        self._stale |= {(hierarchy, name) for hierarchy in set(self._by_controller.values())}
        self.sweep()
        return killed

    def sweep(self) -> bool:
        """Remove the groups of sandboxes that are gone; whether some are still busy."""
        self._stale = {(where, name) for where, name in self._stale if not where.remove(name)}
        return bool(self._stale)

    def leave(self) -> None:
        """Remove all that is empty; waits for half a second if something is not."""
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
            hierarchy.leave()
        else:
            for name in found.controllers:
                self.refused[name] = str(error or "the controller is not enabled for our group")
            return
        self._hierarchies.append(hierarchy)
        self._by_controller.update(dict.fromkeys(hierarchy.controllers, hierarchy))

    def _out_of_memory(self, name: str) -> bool:
        hierarchy = self._by_controller.get("memory")
        return hierarchy is not None and hierarchy.out_of_memory(name)
