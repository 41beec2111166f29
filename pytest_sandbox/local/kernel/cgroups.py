"""Control groups, both versions (cgroups(7)): limits, and counting kills for lack of memory.

One group for the engine, in it one for the zygote and one for each sandbox that needs one:

    .../pytest-sandbox-PID-RANDOM/{zygote,1,2,...}

Its maker holds a lock on the folder, so that a later run, in whatever container, can tell what is
left over. Nothing here removes anything but empty groups: rmdir(2) on a group does no more.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..protocol.zygote import CreateRequest

CONTROLLERS = ("pids", "memory", "cpu")
_PREFIX = "pytest-sandbox"
_OURS = re.compile(rf"{_PREFIX}-\d+-[0-9a-f]{{8}}")
_PERIOD = 100_000  # microseconds, the kernel's default
#: Files that a kernel without swap, or without counting it, does not have.
_OPTIONAL = frozenset({"memory.memsw.limit_in_bytes", "memory.swap.max"})
#: The part of the machine's memory that all sandboxes together may take.
_SHARE = 0.8


class Hierarchy:
    """One mounted tree of groups, and the group in it that the engine may divide.

    Args:
        version: 1 or 2.
        controllers: of ours, those that it has.
        parent: the folder in which the engine's group goes.
        home: the folder of the group that we were in at first.
    """

    def __init__(self, version: int, controllers: list[str], parent: str, home: str) -> None:
        self.version = version
        self.controllers = controllers
        self.path = f"{parent}/{_PREFIX}-{os.getpid()}-{os.urandom(4).hex()}"
        # "tasks" moves a thread, which we have one of: that does not wait for every fork on the
        # machine, as "cgroup.procs" does.
        self._door = "tasks" if version == 1 else "cgroup.procs"
        self._home = os.open(f"{home}/{self._door}", os.O_WRONLY | os.O_CLOEXEC)
        try:
            self._folder = _make_locked(self.path)
        except OSError:
            os.close(self._home)
            raise

    def enter(self) -> None:
        """Move this process into a group of its own, next to those of the sandboxes."""
        if self.version == 2:
            self._enable()
        self.make("zygote")
        self.write(f"zygote/{self._door}", "0")

    def leave(self) -> None:
        """Move this process back, and remove what is empty."""
        try:
            os.write(self._home, b"0")
        except OSError:
            return  # the next run finds the group by its name
        self.remove("zygote")
        remove(self.path)

    def make(self, name: str, limits: dict[str, str] | None = None) -> None:
        """Make a group with limits, file name to value."""
        os.mkdir(name, 0o755, dir_fd=self._folder)
        for file, value in (limits or {}).items():
            with contextlib.suppress(*[FileNotFoundError] * (file in _OPTIONAL)):
                self.write(f"{name}/{file}", value)

    def door(self, name: str) -> int:
        """A descriptor through which a new process gets into a group without stopping others.

        Version 2: the folder, for `clone(2)`. Version 1: the file `tasks`, into which the process
        itself, which must be single-threaded, writes 0. Moving it from outside instead would make
        the kernel halt every fork and exit on the machine, for some ten milliseconds.
        """
        if self.version == 2:
            return os.open(name, os.O_RDONLY | os.O_CLOEXEC, dir_fd=self._folder)
        return os.open(f"{name}/tasks", os.O_WRONLY | os.O_CLOEXEC, dir_fd=self._folder)

    def remove(self, name: str) -> bool:
        """Remove a group; whether it is gone."""
        try:
            os.rmdir(name, dir_fd=self._folder)
        except FileNotFoundError:
            return True
        except OSError:
            return False  # a process in it has not quite ended
        return True

    def write(self, file: str, value: str) -> None:
        """Write to a control file of the engine's group or of one below."""
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

    def _enable(self) -> None:
        """Pass the controllers on to the groups below (version 2 wants that said)."""
        have = self.read("cgroup.controllers").split()
        self.controllers = [name for name in CONTROLLERS if name in have]
        if self.controllers:
            self.write("cgroup.subtree_control", " ".join(f"+{name}" for name in self.controllers))


class Doors:
    """The ways into the groups of one new sandbox.

    Attributes:
        folder: for `clone(2)`, or `None`.
    """

    def __init__(self) -> None:
        self.folder: int | None = None
        self._tasks: list[int] = []

    @property
    def fds(self) -> list[int]:
        """All descriptors."""
        return [*self._tasks, *(() if self.folder is None else (self.folder,))]

    def add(self, version: int, fd: int) -> None:
        """One more way."""
        if version == 2:
            self.folder = fd
        else:
            self._tasks.append(fd)

    def enter(self) -> None:
        """Go through; for the new process."""
        for fd in self._tasks:
            os.write(fd, b"0")

    def close(self) -> None:
        """Release the descriptors."""
        for fd in self.fds:
            os.close(fd)


class Cgroups:
    """All that the zygote does with control groups.

    Attributes:
        refused: why a controller cannot be used here, by its name.
        paths: the engine's groups; for whoever survives.
    """

    def __init__(self) -> None:
        self.refused: dict[str, str] = {}
        self._by_controller: dict[str, Hierarchy] = {}
        self._hierarchies: list[Hierarchy] = []
        self._stale: set[tuple[Hierarchy, str]] = set()
        for version, controllers, folders in _mounted():
            self._open(version, controllers, folders)
        for name in CONTROLLERS:
            if name not in self._by_controller:
                self.refused.setdefault(name, "this machine has no such cgroup controller mounted")
        self._bound_memory()

    @property
    def controllers(self) -> list[str]:
        """Those that can be used here."""
        return sorted(self._by_controller)

    @property
    def paths(self) -> list[str]:
        """The engine's groups."""
        return [hierarchy.path for hierarchy in self._hierarchies]

    def prepare(self, request: CreateRequest) -> Doors:
        """Make the groups for the sandbox that is to be created."""
        name = request.name
        limits: dict[Hierarchy, dict[str, str]] = {}
        for controller, files in _limits(request).items():
            hierarchy = self._by_controller.get(controller)
            if hierarchy is not None:
                limits.setdefault(hierarchy, {}).update(files[hierarchy.version])
        doors = Doors()
        try:
            for hierarchy, values in limits.items():
                hierarchy.make(name, values)
                doors.add(hierarchy.version, hierarchy.door(name))
        except OSError:
            doors.close()
            self.dismiss(name)
            raise
        return doors

    def doors(self, name: str) -> Doors:
        """The ways into the groups of a sandbox, for one more process of it."""
        doors = Doors()
        for hierarchy in self._hierarchies:
            with contextlib.suppress(FileNotFoundError):  # it has no limit of this kind
                doors.add(hierarchy.version, hierarchy.door(name))
        return doors

    def dismiss(self, name: str) -> bool:
        """A sandbox is gone: remove its groups; whether it was short of memory."""
        killed = self._out_of_memory(name)
        self._stale |= {(hierarchy, name) for hierarchy in set(self._by_controller.values())}
        self.sweep()
        return killed

    def sweep(self) -> bool:
        """Remove the groups of sandboxes that are gone; whether some are still busy."""
        self._stale = {(where, name) for where, name in self._stale if not where.remove(name)}
        return bool(self._stale)

    def leave(self) -> None:
        """Remove everything, as far as it is empty by now; waits a little for it."""
        for _ in range(50):
            if not self.sweep():
                break
            time.sleep(0.01)
        for hierarchy in self._hierarchies:
            hierarchy.leave()

    def _open(self, version: int, controllers: list[str], folders: list[str]) -> None:
        """Use the first folder, from ours upwards, that can be divided."""
        error: OSError | None = None
        for folder in folders:
            _sweep_left_over(folder)
            try:
                hierarchy = Hierarchy(version, controllers, folder, folders[0])
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
            for name in controllers:
                self.refused[name] = str(error or "not passed on to our group")
            return
        self._hierarchies.append(hierarchy)
        self._by_controller.update(dict.fromkeys(hierarchy.controllers, hierarchy))

    def _bound_memory(self) -> None:
        """Keep all sandboxes together from taking the machine's last memory."""
        hierarchy = self._by_controller.get("memory")
        if hierarchy is None:
            return
        total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        file = "memory.max" if hierarchy.version == 2 else "memory.limit_in_bytes"
        hierarchy.write(file, str(int(total * _SHARE)))

    def _out_of_memory(self, name: str) -> bool:
        hierarchy = self._by_controller.get("memory")
        if hierarchy is None:
            return False
        file = "memory.events" if hierarchy.version == 2 else "memory.oom_control"
        try:
            counts = dict(line.split() for line in hierarchy.read(f"{name}/{file}").splitlines())
        except OSError:
            return False  # it had no limit of its own
        return int(counts.get("oom_kill", 0)) > 0


def remove(path: str) -> bool:
    """Remove an engine's group and those directly in it, as far as they are empty."""
    try:
        children = [entry.path for entry in os.scandir(path) if entry.is_dir()]
        for child in children:
            os.rmdir(child)
        os.rmdir(path)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


def _limits(request: CreateRequest) -> dict[str, dict[int, dict[str, str]]]:
    """Control files to write, by controller and version."""
    limits = {"pids": {version: {"pids.max": str(request.processes)} for version in (1, 2)}}
    memory, cpus = request.memory, request.cpus
    if memory is not None:
        limits["memory"] = {
            1: {
                "memory.limit_in_bytes": str(memory),
                "memory.memsw.limit_in_bytes": str(memory),
            },
            2: {"memory.max": str(memory), "memory.swap.max": "0"},
        }
    if cpus is not None:
        quota = str(max(1000, int(cpus * _PERIOD)))  # the kernel takes no less than a millisecond
        limits["cpu"] = {1: {"cpu.cfs_quota_us": quota}, 2: {"cpu.max": f"{quota} {_PERIOD}"}}
    return limits


def _mounted() -> list[tuple[int, list[str], list[str]]]:
    """Each hierarchy with controllers of ours: version, controllers, our folder and those above."""
    own = _own_groups()
    found = []
    with open("/proc/self/mountinfo") as file:
        for line in file:
            before, _, after = line.partition(" - ")
            root, mountpoint = before.split()[3:5]
            kind, _, options = after.split(maxsplit=2)
            if kind == "cgroup2":
                controllers, group = [], own.get("")
            elif kind == "cgroup":
                controllers = [name for name in CONTROLLERS if name in options.strip().split(",")]
                group = next((own[name] for name in controllers if name in own), None)
            else:
                continue
            if group is None or (kind == "cgroup" and not controllers):
                continue
            version = 2 if kind == "cgroup2" else 1
            found.append((version, controllers, _upwards(mountpoint, root, group)))
    return found


def _own_groups() -> dict[str, str]:
    """Our group by controller; the one of version 2 has no controller's name."""
    groups = {}
    with open("/proc/self/cgroup") as file:
        for line in file:
            _, names, path = line.rstrip("\n").split(":", 2)
            for name in names.split(","):
                groups[name] = path
    return groups


def _upwards(mountpoint: str, root: str, group: str) -> list[str]:
    """The folder of a group, then those above it, up to where the hierarchy is mounted."""
    below = os.path.relpath(group, root) if root != "/" else group.lstrip("/")
    if below.startswith(".."):
        below = ""
    folders = [mountpoint]
    for part in below.split("/"):
        if part not in ("", "."):
            folders.append(f"{folders[-1]}/{part}")
    return folders[::-1]


def _make_locked(path: str) -> int:
    """Make a folder that nobody takes for a left-over one; its descriptor holds the lock."""
    while True:
        os.mkdir(path, 0o755)
        with contextlib.suppress(FileNotFoundError):  # swept before it was locked: once more
            fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            fcntl.flock(fd, fcntl.LOCK_EX)
            if os.path.exists(path):
                return fd
            os.close(fd)


def _sweep_left_over(parent: str) -> None:
    """Remove groups whose maker is gone."""
    with contextlib.suppress(OSError):
        for name in os.listdir(parent):
            if _OURS.fullmatch(name):
                _sweep(f"{parent}/{name}")


def _sweep(path: str) -> None:
    with contextlib.suppress(OSError):  # locked, or somebody else sweeps too
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            remove(path)
        finally:
            os.close(fd)
