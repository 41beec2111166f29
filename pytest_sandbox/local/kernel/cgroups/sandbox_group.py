"""The groups of one sandbox, one in each hierarchy that has a limit for it."""

from __future__ import annotations

import contextlib

from .device_rules import attach_filter
from .group_usage import GroupUsage
from .joining import CgroupDescriptors
from .limits import DEVICES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from .hierarchy import Hierarchy
    from .limits import CgroupLimits


class SandboxGroup:
    """They all have the same name.

    Args:
        name: theirs, in each hierarchy.
        limits: those of the sandbox.
        files: control files to write, and their contents, by hierarchy.
        shared: hierarchies in which it is in the group of all sandboxes.

    Attributes:
        counted: what the group had counted when that was read last.
        before: what it had counted when the sandbox got it.
    """

    def __init__(
        self,
        name: str,
        limits: CgroupLimits,
        files: dict[Hierarchy, dict[str, str]],
        shared: Iterable[Hierarchy] = (),
    ) -> None:
        self.name = name
        self.limits = limits
        self.counted = GroupUsage()
        self.before = GroupUsage()
        self._files = files
        self._shared = list(shared)

    def make(self) -> None:
        """Make them.

        Raises:
            OSError: the kernel refused it; some may have been made.
        """
        for hierarchy, values in list(self._files.items()):
            try:
                hierarchy.make(self.name, values)
            except OSError:
                # A second wall, which only root of the machine can build.
                if hierarchy.controllers != [DEVICES]:
                    raise
                hierarchy.remove(self.name)
                del self._files[hierarchy]
                continue
            if hierarchy.version == 2 and self.limits.gpus is not None:
                self._filter_devices(hierarchy, self.limits.gpus)

    def descriptors(self) -> CgroupDescriptors:
        """For one more process of the sandbox.

        Raises:
            OSError: the kernel refused it.
        """
        cgroups = CgroupDescriptors()
        for hierarchy in self._files:
            cgroups.add(hierarchy.version, hierarchy.descriptor(self.name))
        for hierarchy in self._shared:
            cgroups.add(hierarchy.version, hierarchy.descriptor())
        return cgroups

    def _filter_devices(self, hierarchy: Hierarchy, gpus: list[tuple[int, int]]) -> None:
        group = hierarchy.descriptor(self.name)
        with contextlib.suppress(OSError):  # likewise
            attach_filter(group, gpus)

    def remove(self) -> bool:
        """Remove those that are empty; whether all are gone."""
        gone = [hierarchy.remove(self.name) for hierarchy in self._files]
        return all(gone)
