"""The groups of one sandbox, one in each hierarchy that has a limit for it."""

from __future__ import annotations

from .joining import CgroupDescriptors

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .hierarchy import Hierarchy
    from .limits import CgroupLimits


class SandboxGroup:
    """They all have the same name.

    Args:
        name: theirs, in each hierarchy.
        limits: those of the sandbox.
        files: control files to write, and their contents, by hierarchy.
    """

    def __init__(
        self, name: str, limits: CgroupLimits, files: dict[Hierarchy, dict[str, str]]
    ) -> None:
        self.name = name
        self.limits = limits
        self._files = files

    def make(self) -> None:
        """Make them.

        Raises:
            OSError: the kernel refused it; some may have been made.
        """
        for hierarchy, values in self._files.items():
            hierarchy.make(self.name, values)

    def open(self) -> CgroupDescriptors:
        """Descriptors, for one more process of the sandbox.

        Raises:
            OSError: the kernel refused it.
        """
        cgroups = CgroupDescriptors()
        try:
            for hierarchy in self._files:
                cgroups.add(hierarchy.version, hierarchy.open_group(self.name))
        except OSError:
            cgroups.close()
            raise
        return cgroups

    def remove(self) -> bool:
        """Remove those that are empty; whether all are gone."""
        gone = [hierarchy.remove(self.name) for hierarchy in self._files]
        return all(gone)
