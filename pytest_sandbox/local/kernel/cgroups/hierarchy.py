"""The engine's group in one hierarchy, and the groups in it."""

from __future__ import annotations

import contextlib
import os

from . import leftovers
from .group_usage import MEMORY_PEAK_FILE, PEAK_RESETS
from .kept_files import KeptFiles
from .limits import KILLS_FILE, OPTIONAL_FILES, of_all
from .mounted import CONTROLLERS

#: Groups in that of the engine.
_ZYGOTE, _SANDBOXES = "zygote", "sandboxes"


class Hierarchy:
    """One hierarchy, and a new group in it for the engine, which is locked.

    Methods that take a name are about the group of that sandbox.

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
        self._kept = KeptFiles(self._folder)

    def enter(self) -> None:
        """Move this process into a group of its own, beside those of the sandboxes.

        In version 2, only groups without groups in them may hold processes: cgroups(7), "no
        internal processes" rule.

        Raises:
            OSError: the kernel refused it.
        """
        # Relative to a descriptor: once the stage is the root, /sys/fs/cgroup has no path any more.
        for group in (_ZYGOTE, _SANDBOXES):
            os.mkdir(group, 0o755, dir_fd=self._folder)
        if self.version == 2:
            self._enable_controllers()
        self._write(f"{_ZYGOTE}/{self._members}", "0")

    def bound_memory(self, limit: int) -> None:
        """Keep all sandboxes together from using more bytes than these.

        Raises:
            OSError: the kernel refused it.
        """
        self._limit(_SANDBOXES, of_all(self.version, limit))

    def leave(self) -> None:
        """Move this process back, and remove what is empty."""
        try:
            os.write(self._home, b"0")
        except OSError:
            return  # the next run sweeps it
        for group in (_ZYGOTE, _SANDBOXES):
            with contextlib.suppress(OSError):
                os.rmdir(group, dir_fd=self._folder)
        leftovers.remove(self.path)

    def make(self, name: str, limits: dict[str, str]) -> None:
        """Make a group.

        Args:
            name: of the sandbox.
            limits: control files to write, and their contents.

        Raises:
            OSError: the kernel refused it.
        """
        group = f"{_SANDBOXES}/{name}"
        os.mkdir(group, 0o755, dir_fd=self._folder)
        self._limit(group, limits)

    def _limit(self, group: str, limits: dict[str, str]) -> None:
        for file, value in limits.items():
            with contextlib.suppress(*[FileNotFoundError] * (file in OPTIONAL_FILES)):
                for line in value.split("\n"):
                    self._write(f"{group}/{file}", line)

    def descriptor(self, name: str = "") -> int:
        """A descriptor of a group, for `CgroupDescriptors`, which stays open for later uses.

        Args:
            name: of the sandbox; empty for the group of all sandboxes.

        Raises:
            FileNotFoundError: there is no such group.
        """
        group = f"{_SANDBOXES}/{name}"
        if self.version == 2:
            return self._kept.descriptor(f"{group}/.", os.O_RDONLY)
        return self._kept.descriptor(f"{group}/{self._members}", os.O_WRONLY)

    def count(self, name: str, file: str) -> int | None:
        """The number in a file of a group, or `None` if the kernel refuses to tell it."""
        try:
            return int(self._kept.read(f"{_SANDBOXES}/{name}/{file}"))
        except OSError:
            return None

    def oom_kills(self, name: str) -> int:
        """How many processes in a group the kernel killed for lack of memory."""
        try:
            text = self._kept.read(f"{_SANDBOXES}/{name}/{KILLS_FILE[self.version]}")
        except OSError:
            return 0  # it could not even be made
        counts = dict(line.split() for line in text.splitlines())
        return int(counts.get("oom_kill", 0))

    def reset_memory_peak(self, name: str) -> bool:
        """Have a group count the most memory anew; whether that works."""
        if not PEAK_RESETS[self.version]:
            return False
        try:
            self._kept.write(f"{_SANDBOXES}/{name}/{MEMORY_PEAK_FILE[self.version]}", "0")
        except OSError:
            return False
        return True

    def cpu_seconds(self, name: str) -> float | None:
        """How long the processes of a group had a processor, if it says that."""
        if self.version == 1:
            return None  # `cpuacct` counts it, which is not of ours
        try:
            text = self._kept.read(f"{_SANDBOXES}/{name}/cpu.stat")
        except OSError:
            return None
        return int(dict(line.split() for line in text.splitlines())["usage_usec"]) / 1e6

    def remove(self, name: str) -> bool:
        """Remove a group; whether it is gone."""
        self._kept.forget(f"{_SANDBOXES}/{name}")
        try:
            os.rmdir(f"{_SANDBOXES}/{name}", dir_fd=self._folder)
        except FileNotFoundError:
            return True
        except OSError:
            # EBUSY: a process is in its group until it is gone for good, a moment after its parent
            # has heard of its end.
            return False
        return True

    def _write(self, file: str, value: str) -> None:
        fd = os.open(file, os.O_WRONLY | os.O_CLOEXEC, dir_fd=self._folder)
        try:
            os.write(fd, value.encode())
        except OSError as error:
            text = f"{error.strerror}, for the value {value!r}"
            raise OSError(error.errno, text, f"{self.path}/{file}") from None
        finally:
            os.close(fd)

    def _read(self, file: str) -> str:
        fd = os.open(file, os.O_RDONLY | os.O_CLOEXEC, dir_fd=self._folder)
        try:
            return os.read(fd, 4096).decode()
        finally:
            os.close(fd)

    def _enable_controllers(self) -> None:
        """Pass the controllers on to sandboxes: cgroup-v2.rst, "Enabling and Disabling"."""
        available = self._read("cgroup.controllers").split()
        self.controllers = [name for name in CONTROLLERS if name in available]
        if self.controllers:
            wanted = " ".join(f"+{name}" for name in self.controllers)
            for file in ("cgroup.subtree_control", f"{_SANDBOXES}/cgroup.subtree_control"):
                self._write(file, wanted)
