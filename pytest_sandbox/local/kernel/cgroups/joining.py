"""Getting a new process into the groups of its sandbox without stopping the machine.

To move a process from outside, the kernel halts every fork and exit on the machine, for some ten
milliseconds: `cgroup_threadgroup_rwsem` in kernel/cgroup/cgroup.c. There are two ways around that:

- version 2: `clone3(2)` makes the process in the group, of which it wants the folder;
- version 1: a process with a single thread writes 0, itself, into the file `tasks`. For that
  `cgroup_procs_write_start` takes no such lock.
"""

from __future__ import annotations

from ..calls import NOW

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..calls import PreparedCalls


class CgroupDescriptors:
    """Descriptors by which a new process joins the groups of one sandbox.

    Attributes:
        folder: the folder of the version 2 group, for `clone`, or `None`.
    """

    def __init__(self) -> None:
        self.folder: int | None = None
        self._tasks: list[int] = []

    @property
    def fds(self) -> list[int]:
        """All descriptors, that of the folder first."""
        return [*(() if self.folder is None else (self.folder,)), *self._tasks]

    def add(self, version: int, fd: int) -> None:
        """Add what `Hierarchy.descriptor` returned."""
        # A folder for clone3(2); else the file `tasks`, open for writing.
        if version == 2:
            self.folder = fd
        else:
            self._tasks.append(fd)

    def join(self, calls: PreparedCalls = NOW) -> None:
        """Join the version 1 groups; called by the new process.

        Raises:
            OSError: the kernel refused it.
        """
        for fd in self._tasks:
            calls.add("write", fd, b"0", 1)
