"""The engine in memory."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from types import EllipsisType
from typing import TYPE_CHECKING

from pytest_sandbox._shared import machine_size
from pytest_sandbox._shared.gpus.simulated import SimulatedGpu
from pytest_sandbox._shared.network.faults import FaultTable
from pytest_sandbox._shared.network.members import Members
from pytest_sandbox.engine import (
    AnySnapshot,
    Capability,
    Clock,
    ConnectionFault,
    DirectorySnapshot,
    EndCause,
    Engine,
    EngineInfo,
    EngineUnavailable,
    InvalidSpec,
    Membership,
    Network,
    RootImage,
    Snapshot,
    SupportsConnectionFaults,
    SupportsExport,
    SupportsForget,
    SupportsVolumes,
    TaskEnd,
    TaskSpec,
    Unsupported,
    VolumeMount,
    check_connection_fault,
    check_task,
)

from .clock import VirtualClock
from .export import dump, read
from .files.base_image import base_image, filesystem
from .files.disk import DISK, Disk
from .files.trees import directory_on, make_folders
from .files.vfs import Filesystem
from .files.view import FileView
from .gpus import GpuPool
from .problems import Problems
from .processes.ports import Acceptor, Ports
from .processes.process import KernelHooks, KernelInterface
from .programs import PROGRAMS
from .scripting.host_script import HostScript
from .scripting.matching import Anything, Matcher
from .scripting.port_script import PortScript
from .scripting.rules import Rules, place_of_caller
from .scripting.scripted_outside import ScriptedOutside
from .scripting.scripts import Script
from .shell import shell_program
from .stored_snapshots import StoredSnapshots
from .task import MemoryTask

if TYPE_CHECKING:
    from .files.disk import DiskSnapshot
    from .processes.memory_snapshot import MemoryImage

_PROGRAMS = {**PROGRAMS, "sh": shell_program("sh"), "bash": shell_program("bash")}


class FakeEngine(Engine, SupportsConnectionFaults, SupportsForget, SupportsExport, SupportsVolumes):
    """Sandboxes in memory, without a real process or port, or any access to the machine.

    Files are in memory and follow the rules of Linux; a few programs and a shell are built in, and
    everything else is scripted.

    Two limits are enforced: the number of processes, and memory, which counts the bytes that
    built-in programs hold; beyond it they are killed. A limit of processors has no effect.

    Args:
        clock: the time; a `VirtualClock` of its own unless given.
        files: what every sandbox has besides the usual, absolute path to content.
        disk: bytes of file content that each sandbox, each volume and each mounted directory has
            room for; more fails with `ENOSPC`.
        gpus: the GPUs that there are, kinds of Modal's (`"H100"`) or other names; if none are
            given, as many of Modal's kinds as sandboxes ask for.
        network: of sandboxes that say nothing about it; none by default.

    Attributes:
        clock: the time.
    """

    def __init__(
        self,
        *,
        clock: Clock | None = None,
        files: Mapping[str, str | bytes] | None = None,
        disk: int = DISK,
        gpus: Sequence[str] = (),
        network: Network | None = None,
    ) -> None:
        self.clock: Clock = clock or VirtualClock()
        self._files = {p: d.encode() if isinstance(d, str) else d for p, d in (files or {}).items()}
        self._scripts: Rules[Script] = Rules()
        self._port_scripts: Rules[PortScript] = Rules()
        self._host_scripts: Rules[HostScript] = Rules()
        self._faults = FaultTable()
        self._networks: dict[str, Members[Ports]] = {}
        self._hooks = self._kernel_hooks()
        self._gpus = GpuPool(gpus)
        self._network = network
        self._disk = disk
        self._base: DiskSnapshot | None = None
        self._images = StoredSnapshots()
        self._volumes: dict[str, Disk] = {}
        self._tasks: list[MemoryTask] = []
        self._closed = False

    def _kernel_hooks(self) -> KernelHooks:
        """What it does for its kernels; does not refer back, so that it is freed at once."""
        scripts, ports, hosts, networks = (
            self._scripts,
            self._port_scripts,
            self._host_scripts,
            self._networks,
        )
        self._problems = problems = Problems(
            lambda argv: scripts.nearest(lambda each: each.difference(argv)),
            lambda port: ports.nearest(lambda each: each.difference(port)),
            lambda target: hosts.nearest(lambda each: each.difference(target)),
        )

        def scripted_port(kernel: KernelInterface, port: int) -> Acceptor | None:
            script = ports.find(lambda each: each.matches(kernel, port))
            return script.accept(kernel, port) if script else None

        def members_of(spec: TaskSpec) -> "Members[Ports] | None":
            if spec.membership is None:
                return None
            return networks.setdefault(spec.membership.network, Members())

        return KernelHooks(
            programs=_PROGRAMS,
            command=lambda proc, argv: scripts.find(lambda each: each.matches(proc, argv)),
            port=scripted_port,
            problems=problems,
            outside=lambda kernel: ScriptedOutside(kernel, hosts),
            faults=self._faults,
            members_of=members_of,
        )

    async def start(self) -> EngineInfo:
        """Make the engine ready."""
        self._base = base_image(_PROGRAMS, self._files, self._now_ns(), self._disk)
        gpus = ", ".join(gpu.name for gpu in self._gpus.there)
        details = {"gpus": gpus} if gpus else {}
        return EngineInfo(
            "fake",
            "in memory",
            frozenset(
                {
                    Capability.GPU,
                    Capability.ISOLATION,
                    Capability.MEMORY_LIMIT,
                    Capability.MEMORY_SNAPSHOT,
                    Capability.NETWORK,
                    Capability.PORT,
                    Capability.PTY,
                    Capability.SANDBOX_NETWORK,
                    Capability.SNAPSHOT,
                    Capability.VOLUME,
                }
            ),
            details,
            fingerprint=self._fingerprint(),
            network=self._network,
            one_image=True,
            processors=machine_size.processors(),
            memory=machine_size.memory(),
        )

    def _fingerprint(self) -> str:
        digest = hashlib.sha256(" ".join(_PROGRAMS).encode())
        for path, data in sorted(self._files.items()):
            digest.update(f"\0{path}\0{len(data)}\0".encode() + data)
        return digest.hexdigest()[:16]

    async def create(self, spec: TaskSpec) -> MemoryTask:
        """Create a task and start its main process."""
        return self._made(spec)

    def _made(self, spec: TaskSpec, main: MemoryTask | None = None) -> MemoryTask:
        """A new task; one that shares the limits of `main`, if that is given."""
        if self._closed or self._base is None:
            raise EngineUnavailable(
                "the engine in memory is closed" if self._closed else "it was not started",
                "Create sandboxes between start() and close().",
            )
        check_task(spec)
        if spec.project:
            raise Unsupported("project", "the engine in memory has no files of this machine")
        gpus = self._gpus.take(spec.gpus)
        try:
            task = self._create(spec, gpus, main)
        except BaseException:
            self._gpus.give_back(gpus)
            raise
        task.at_end.append(lambda: self._gpus.give_back(gpus))
        task.beside = self._made
        task.files_of = self._files_of
        task.enter = self._enter
        if spec.membership is not None:
            self._join(task, spec.membership)
        self._tasks = [*(task for task in self._tasks if task.poll() is None), task]
        return task

    def _create(
        self, spec: TaskSpec, gpus: Sequence[SimulatedGpu], main: MemoryTask | None
    ) -> MemoryTask:
        if spec.resume is not None:
            return self._resume(spec, self._images.memory(spec.resume), gpus)
        fs = filesystem(self._files_of(spec.image), self._now_ns)
        for volume in sorted(spec.volumes, key=lambda each: each.path.count("/")):
            self._show(volume, fs)
        task = self.make_task(spec, fs, gpus)
        if main is not None:
            task.kernel.share_limits(main.kernel)
        if spec.main is not None:
            task.start_main(spec.main)
        return task

    def _enter(self, task: MemoryTask, membership: Membership) -> None:
        members = self._networks.setdefault(membership.network, Members())
        task.kernel.outward.join(members, membership.aliases)
        self._join(task, membership)

    def _join(self, task: MemoryTask, membership: Membership) -> None:
        members = self._networks[membership.network]
        members.add(task.kernel.ports, membership.aliases)

        def leave() -> None:
            if not members.remove(task.kernel.ports, membership.aliases):
                del self._networks[membership.network]

        task.at_end.append(leave)

    def _resume(
        self, spec: TaskSpec, image: "MemoryImage", gpus: Sequence[SimulatedGpu]
    ) -> MemoryTask:
        task = self.make_task(spec, image.fs.fork(), gpus)
        try:
            task.resume(image)
        except OSError as error:
            task.finish(TaskEnd(EndCause.KILLED))
            raise InvalidSpec(
                f"{str(spec.resume)!r} cannot be resumed: a file that was open on a volume is "
                f"gone: {error}"
            ) from None
        return task

    def make_task(self, spec: TaskSpec, fs: Filesystem, gpus: Sequence[SimulatedGpu]) -> MemoryTask:
        """A task in which nothing runs yet; engines for tests may return one of their own.

        Args:
            spec: what it is.
            fs: its files.
            gpus: what it has of these.
        """
        return MemoryTask(spec, fs, gpus, self.clock, self._hooks, self._images)

    def _files_of(self, image: DirectorySnapshot | RootImage) -> "DiskSnapshot":
        assert self._base is not None
        if isinstance(image, Snapshot | DirectorySnapshot):
            return self._images.disk(image)
        return self._base  # every image has the same files here, those of registries too

    def _show(self, volume: VolumeMount, fs: Filesystem) -> None:
        try:
            disk = self._volume(volume.volume)
            top = directory_on(disk, volume.sub_path)
            make_folders(fs, volume.path)
            fs.mount(volume.path, disk, read_only=volume.read_only, permanent=True, top=top)
        except OSError as error:
            raise InvalidSpec(
                f"volume {volume.volume!r} cannot be mounted at {volume.path!r}: {error.strerror}"
            ) from None

    def volume(self, name: str) -> FileView:
        """The files of a volume, which is made if there was none of that name."""
        return FileView(Filesystem(self._volume(name)))

    async def forget_volume(self, volume: str) -> None:
        """Let go of a volume."""
        self._volumes.pop(volume, None)

    def _volume(self, name: str) -> Disk:
        if name not in self._volumes:
            self._volumes[name] = Disk(self._now_ns, size=self._disk, shared=True)
        return self._volumes[name]

    def _now_ns(self) -> int:
        return int(self.clock.now() * 10**9)

    async def forget(self, snapshot: AnySnapshot) -> None:
        """Forget a snapshot."""
        self._images.forget(snapshot)

    async def export(
        self, snapshot: Snapshot, *, below: Snapshot | None = None
    ) -> AsyncIterator[bytes]:
        """All files of a snapshot, for `load`, with those that are in one below too."""
        for chunk in dump(self._images.disk(snapshot)):
            yield chunk
            await asyncio.sleep(0)

    async def load(
        self, stream: AsyncIterator[bytes], *, below: Snapshot | None = None
    ) -> Snapshot:
        """Make a snapshot of what `export` gave, which is all files."""
        data = b"".join([chunk async for chunk in stream])
        return self._images.add_files(read(data, self._now_ns, self._disk))

    def on_exec(self, *words: Matcher | EllipsisType) -> Script:
        """Say what a command does, in sandboxes that run already as well as in later ones.

        The last script that matches is taken, also for commands that are built in and for those
        that a shell runs.

        Args:
            words: the command, word by word: text, `ANY`, a compiled pattern for the whole word,
                or a function that is given the word. `...` at the end stands for any more words.

        Raises:
            TypeError, ValueError: it could never match.
        """
        return self._scripts.add(Script(words, place_of_caller()))

    def on_connect(self, port: int | Anything) -> PortScript:
        """Say what happens to connections to a port, in running sandboxes and in later ones.

        The last script that matches is taken, also if a process of the sandbox listens there.

        Args:
            port: its number, or `ANY`.

        Raises:
            InvalidSpec: it is no port.
        """
        return self._port_scripts.add(PortScript(port, place_of_caller()))

    def on_connect_to(
        self, host: str | Anything, port: int | Anything, *, address: str | None = None
    ) -> HostScript:
        """Say what happens when scripted commands connect to a host, see `Call.connect`.

        The last script that matches is taken. The network of a sandbox has to allow the connection.

        Args:
            host: a name, as it is looked up; `"*.example.com"` for all below `example.com`; an
                address; a network; or `ANY`.
            port: its number, or `ANY`.
            address: what the name resolves to; a public one that is made up unless given.

        Raises:
            InvalidSpec: it is no host, no port or no address.
        """
        return self._host_scripts.add(HostScript(host, port, address, place_of_caller()))

    async def set_fault(self, fault: ConnectionFault) -> None:
        """Set a fault of connections, or change the one with its id."""
        check_connection_fault(fault)
        self._faults.set(fault)
        for task in self._tasks:
            outward = task.kernel.outward
            outward.faults.set(fault, outward.relays)

    async def fault_counts(self, ids: Collection[str]) -> Mapping[str, tuple[int, int]]:
        """How often faults were met, and fired."""
        return self._faults.counts(ids)

    async def clear_faults(self, ids: Collection[str]) -> None:
        """Clear faults."""
        self._faults.clear(ids)
        for task in self._tasks:
            outward = task.kernel.outward
            outward.faults.clear(ids, [relay for relay, _ in outward.relays])

    @property
    def problems(self) -> list[str]:
        """A text for each unknown command, failed handler and unsupported feature so far."""
        return list(self._problems.found)

    @property
    def unused(self) -> list[str]:
        """A sentence for each script that was not used as often as required."""
        return [
            *self._scripts.unused(),
            *self._port_scripts.unused(),
            *self._host_scripts.unused(),
        ]

    async def close(self) -> None:
        """End every task; a second call does nothing."""
        self._closed = True
        for task in self._tasks:
            await task.kill()
        self._tasks.clear()
