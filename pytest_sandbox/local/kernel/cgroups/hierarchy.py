"""The engine's group in one hierarchy, and the groups in it."""

from __future__ import annotations

import contextlib
import os

from . import leftovers
from .limits import OPTIONAL_FILES
from .mounted import CONTROLLERS

_ZYGOTE = "zygote"


class Hierarchy:
    """One hierarchy, and a new group in it for the engine, which is locked.

    Args:
        version: 1 or 2.
        controllers: those of ours that it has.
        parent: the folder in which the engine's group goes.
        home: the folder of the group that this process is in.

    Attributes:
        path: of the engine's group.

    Raises:
        OSError: no group can be made there.
    """

    def __init__(self, version: int, controllers: list[str], parent: str, home: str) -> None:
        self.version = version
        self.controllers = controllers
        self.path = leftovers.new_path(parent)
        # See `joining` for why "tasks", which moves only one thread: we have one.
        self._members = "tasks" if version == 1 else "cgroup.procs"
        self._home = os.open(f"{home}/{self._members}", os.O_WRONLY | os.O_CLOEXEC)
        try:
            self._folder = leftovers.make_locked(self.path)
        except OSError:
            os.close(self._home)
            raise

    def enter(self) -> None:
        """Move this process into a group of its own, beside those of the sandboxes.

        In version 2, only groups without groups in them may hold processes: cgroups(7), "no
        internal processes" rule.

        Raises:
            OSError: the kernel refused it.
        """
        if self.version == 2:
            self._enable_controllers()
        self.make(_ZYGOTE)
        self.write(f"{_ZYGOTE}/{self._members}", "0")

    def leave(self) -> None:
        """Move this process back, and remove what is empty."""
        try:
            os.write(self._home, b"0")
        except OSError:
            return  # the next run sweeps it
        self.remove(_ZYGOTE)
        leftovers.remove(self.path)

    def make(self, name: str, limits: dict[str, str] | None = None) -> None:
        """Make a group.

        Args:
            name: in the engine's group.
            limits: control files to write, and their contents.

        Raises:
            OSError: the kernel refused it.
        """
        # Relative to a descriptor: once the stage is the root, /sys/fs/cgroup has no path any more.
        os.mkdir(name, 0o755, dir_fd=self._folder)
        for file, value in (limits or {}).items():
            with contextlib.suppress(*[FileNotFoundError] * (file in OPTIONAL_FILES)):
                self.write(f"{name}/{file}", value)

    def open_group(self, name: str) -> int:
        """A descriptor of a group, for `CgroupDescriptors`.

        Raises:
            FileNotFoundError: there is no such group.
        """
        if self.version == 2:
            return os.open(name, os.O_RDONLY | os.O_CLOEXEC, dir_fd=self._folder)
        return os.open(f"{name}/{self._members}", os.O_WRONLY | os.O_CLOEXEC, dir_fd=self._folder)

    def remove(self, name: str) -> bool:
        """Remove a group; whether it is gone."""
        try:
            os.rmdir(name, dir_fd=self._folder)
        except FileNotFoundError:
            return True
        except OSError:
            # EBUSY: a process is in its group until it is gone for good, a moment after its parent
            # has heard of its end.
            return False
        return True

    def write(self, file: str, value: str) -> None:
        """Write to a control file of the engine's group or of one in it."""
        fd = os.open(file, os.O_WRONLY | os.O_CLOEXEC, dir_fd=self._folder)
        try:
            os.write(fd, value.encode())
        finally:
            os.close(fd)

    def read(self, file: str) -> str:
        """The contents of a control file."""
        fd = os.open(file, os.O_RDONLY | os.O_CLOEXEC, dir_fd=self._folder)
        try:
            return os.read(fd, 65536).decode()
        finally:
            os.close(fd)

    def _enable_controllers(self) -> None:
        """Pass the controllers on to groups in ours: cgroup-v2.rst, "Enabling and Disabling"."""
        available = self.read("cgroup.controllers").split()
        self.controllers = [name for name in CONTROLLERS if name in available]
        if self.controllers:
            self.write("cgroup.subtree_control", " ".join(f"+{name}" for name in self.controllers))
