"""An engine process of its own for each file, and what it must not leave behind."""

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from pytest_sandbox import Client, Sandbox
from pytest_sandbox._run import EngineProcess, Run

#: Seconds after which something that must happen counts as never happening.
TIMEOUT = 30.0

Until = Callable[[Callable[[], bool]], None]


@dataclass(frozen=True)
class Leftovers:
    """What an engine process holds of the machine; the same before and after it was used.

    Attributes:
        processes: its own and those below it: command line of each.
        descriptors: of the engine process: what each is, without the numbers of sockets and pipes.
            Not among them are its clients' connections, which are theirs to close, and the
            output of what ended, which is kept for late readers.
        mounts: how many each process sees. Of those of the machine, where other programs mount and
            unmount at any time, only such as are named after us.
        folder: names in the run directory.
        cgroups: paths of groups that hold its processes; empty ones are kept for other sandboxes.
    """

    processes: tuple[str, ...]
    descriptors: tuple[str, ...]
    mounts: tuple[int, ...]
    folder: tuple[str, ...]
    cgroups: tuple[str, ...]


@dataclass(frozen=True)
class Machine:
    """One engine process, seen from outside."""

    run: Run
    server: EngineProcess

    def family(self) -> list[int]:
        """The engine process and all below it."""
        children: dict[int, list[int]] = {}
        for name in os.listdir("/proc"):
            if name.isdigit() and (parent := parent_of(int(name))):
                children.setdefault(parent, []).append(int(name))
        found, pending = [], [self.server.pid]
        while pending:
            found.append(pending.pop())
            pending += children.get(found[-1], [])
        return found

    def children(self, pid: int) -> list[int]:
        """Those below a process, without what a zygote has for sandboxes to come."""
        found = [child for child in self.family() if parent_of(child) == pid]
        return [each for each in found if not is_for_others(each)]

    def zygote(self) -> int:
        """The process that makes sandboxes."""
        (zygote,) = self.children(self.server.pid)
        return zygote

    def agent(self) -> int:
        """PID 1 of the only sandbox."""
        (agent,) = self.children(self.zygote())
        return agent

    def leftovers(self) -> Leftovers:
        family = self.family()
        groups = {part for pid in family for part in groups_of(pid) if "pytest-sandbox" in part}
        return Leftovers(
            processes=tuple(sorted(text(f"/proc/{pid}/cmdline").strip() for pid in family)),
            descriptors=tuple(sorted(self.descriptors())),
            mounts=tuple(sorted(map(mounts_of, family))),
            folder=tuple(sorted(os.listdir(self.run.directory))),
            cgroups=tuple(sorted(groups)),
        )

    def descriptors(self) -> Iterator[str]:
        connections = {f"socket:[{number}]" for number in self.connections()}
        for name in os.listdir(f"/proc/{self.server.pid}/fd"):
            with contextlib.suppress(OSError):  # closed since
                target = os.readlink(f"/proc/{self.server.pid}/fd/{name}")
                if not target.endswith(" (deleted)") and target not in connections:
                    yield target.partition(":[")[0]

    def connections(self) -> Iterator[str]:
        """Inodes of what clients are connected to, and of what they connect to."""
        for line in text("/proc/net/unix").splitlines():
            fields = line.split()
            if fields[-1] == self.server.socket:
                yield fields[6]

    def kept(self) -> int:
        """Bytes in files without a name: output, for readers to come."""
        blocks = 0
        for name in os.listdir(f"/proc/{self.server.pid}/fd"):
            path = f"/proc/{self.server.pid}/fd/{name}"
            with contextlib.suppress(FileNotFoundError):  # closed since
                if os.readlink(path).endswith(" (deleted)"):
                    blocks += os.stat(path).st_blocks
        return blocks * 512

    def resident(self, pid: int) -> int:
        """Bytes of memory that a process had at most since `forget_peak`."""
        (line,) = [n for n in text(f"/proc/{pid}/status").splitlines() if n.startswith("VmHWM:")]
        return int(line.split()[1]) * 1024

    def forget_peak(self, pid: int) -> None:
        Path(f"/proc/{pid}/clear_refs").write_text("5")  # proc(5)


def text(path: str) -> str:
    try:
        return Path(path).read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


def mounts_of(pid: int) -> int:
    mounts = text(f"/proc/{pid}/mountinfo").splitlines()
    if namespace_of(pid) == namespace_of(os.getpid()):
        mounts = [each for each in mounts if "pytest-sandbox" in each]
    return len(mounts)


def namespace_of(pid: int) -> str:
    try:
        return os.readlink(f"/proc/{pid}/ns/mnt")
    except OSError:
        return ""


def parent_of(pid: int) -> int:
    fields = text(f"/proc/{pid}/stat").rpartition(")")[2].split()
    return int(fields[1]) if fields and fields[0] not in "ZX" else 0


def is_for_others(pid: int) -> bool:
    """Whether a zygote has it fork sandboxes, or keeps it for one of any kind."""
    titles = ("pytest-sandbox forker", "pytest-sandbox blank")
    return text(f"/proc/{pid}/cmdline").startswith(titles)


def groups_of(pid: int) -> list[str]:
    return [line.rpartition(":")[2].strip("/") for line in text(f"/proc/{pid}/cgroup").splitlines()]


@pytest.fixture(scope="session")
def until() -> Until:
    """Wait for what nothing announces."""

    def wait(condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + TIMEOUT
        while not condition():
            assert time.monotonic() < deadline, "it never happened"
            time.sleep(0.01)

    return wait


@pytest.fixture(scope="module")
def options() -> dict[str, str]:
    """Options of the engine process; a file may have its own.

    Nothing is made ahead: what is below the zygote is then what tests created.
    """
    return {"pool": "off"}


@pytest.fixture(scope="module")
def machine(options: dict[str, str]) -> Iterator[Machine]:
    run = Run.create()
    yield Machine(run, run.start("local", options))
    run.close()


def end(sandbox: Sandbox) -> None:
    """End a sandbox, and return when nothing is left of it."""
    sandbox.terminate()
    sandbox.wait(raise_on_termination=False)
    sandbox.usage()  # which is known then


@pytest.fixture(scope="module")
def client(machine: Machine) -> Iterator[Client]:
    client = Client(machine.server.socket)
    sandbox = Sandbox.create(client=client)  # from here on all is loaded and connected
    sandbox.exec("true").wait()
    sandbox.filesystem.list_files("/")
    end(sandbox)
    yield client
    client.close()


@pytest.fixture
def nothing_is_left(machine: Machine, client: Client, until: Until) -> Iterator[None]:
    """Compares what the engine process holds before and after."""
    before = machine.leftovers()
    yield
    try:
        until(lambda: machine.leftovers() == before)
    except AssertionError:
        now = vars(machine.leftovers())
        differs = [
            f"{name}:\n  before {value}\n  now    {now[name]}"
            for name, value in vars(before).items()
            if value != now[name]
        ]
        pytest.fail("\n".join(differs), pytrace=False)


@pytest.fixture
def sandbox(client: Client) -> Iterator[Sandbox]:
    sandbox = Sandbox.create(client=client)
    yield sandbox
    end(sandbox)
