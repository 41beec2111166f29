"""Abilities that an engine may have or lack, each a small abstract class.

The task class of an engine derives from the abilities of tasks that it has, its engine class from
those of engines. `SupportsPorts.of(task).connect(80)` uses an ability, or raises `Unsupported` if
the engine lacks it.

`EngineInfo.capabilities` says what works on this machine. A class may have an ability that needs
something this machine lacks: then the capability is absent, and the calls raise `Unsupported` with
the reason. The conformance suite checks that classes and capabilities agree.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar, TypeVar

from pytest_sandbox._shared.lazy_dataclass import dataclass

from ._errors import Unsupported

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Mapping

    from pytest_sandbox.images import ImageStore

    from ._connection import Connection
    from ._engine import Engine
    from ._image import (
        AnySnapshot,
        DirectorySnapshot,
        MemorySnapshot,
        OciImage,
        RootImage,
        Snapshot,
    )
    from ._network import ConnectionFault, NetworkLog
    from ._spec import Membership, Network, TaskSpec
    from ._task import Task
    from ._usage import Usage

A = TypeVar("A", bound="Ability")


class Ability(ABC):
    """Something that a task or an engine may be able to do."""

    #: Feature and reason, for the `Unsupported` that an engine without this ability raises.
    _unsupported: ClassVar[tuple[str, str]]

    @classmethod
    def of(cls: type[A], thing: Task | Engine) -> A:
        """A task or an engine, typed as one that has this ability.

        Raises:
            Unsupported: it does not have it.
        """
        if not isinstance(thing, cls):
            raise Unsupported(*cls._unsupported)
        return thing


# Abilities of tasks


class SupportsSnapshots(Ability):
    """A task whose files can be snapshotted; `Capability.SNAPSHOT`.

    Its engine is `SupportsForget`.
    """

    _unsupported = ("snapshot", "this engine takes no snapshots")

    @abstractmethod
    async def snapshot(self, *, end: bool = False) -> Snapshot:
        """Take a snapshot of all files, for `TaskSpec.image`.

        Mounts are not part of it: volumes, mounted snapshots, `/proc`, `/dev`.
        Processes notice only a pause. Calls on one task are served one after another.

        Args:
            end: end the task too, which saves copying; it is as if `kill` had been called.

        Raises:
            StoreFull: no room for it; the task continues as before, unless `end`.
            TaskEnded: the task has ended.
        """

    @abstractmethod
    async def snapshot_directory(self, path: str) -> DirectorySnapshot:
        """Take a snapshot of a directory, including what is mounted on it, for `mount`.

        Raises:
            OSError: as `Files` has it, `ENOTDIR` among them.
            StoreFull, TaskEnded: as `snapshot`.
        """


class SupportsExitSnapshots(Ability):
    """A task of which a snapshot is taken when it has ended; `Capability.SNAPSHOT`."""

    _unsupported = ("exit snapshot", "this engine takes no snapshots at the end of a sandbox")

    @abstractmethod
    async def exit_snapshot(self) -> Snapshot:
        """The files as they were when the task ended, as `SupportsSnapshots.snapshot` has them.

        Waits for the end. The snapshot is the caller's to forget, also if it was never asked for.

        Raises:
            InvalidSpec: the task was created without `TaskSpec.exit_snapshot`.
            StoreFull: there was no room for it; the files are gone.
            EngineUnavailable: the engine died.
        """


class SupportsMounts(Ability):
    """A task in which snapshots and images can be mounted; `Capability.SNAPSHOT`."""

    _unsupported = ("mount", "this engine cannot mount images")

    @abstractmethod
    async def mount(self, path: str, snapshot: DirectorySnapshot | RootImage | None) -> None:
        """Mount a directory, writable, over another one; writes to it stay in this task.

        Of an image that a task can start from, or a snapshot of all files, the root is mounted,
        without `/proc` and its like.

        Args:
            path: an existing directory. The mount hides its contents and any earlier mount.
            snapshot: of the directory, or an image; `None` for an empty one.

        Raises:
            OSError: as `Files` has it.
            InvalidSpec: nothing can be mounted at this path.
            UnknownImage: there is no such snapshot.
            TaskEnded: the task has ended.
        """

    @abstractmethod
    async def unmount(self, path: str) -> None:
        """Undo the latest `mount` at a path.

        Raises:
            OSError: `EINVAL` if nothing was mounted there, `EBUSY` if it is in use.
            TaskEnded: the task has ended.
        """


class SupportsMemorySnapshots(Ability):
    """A task whose processes can be snapshotted; `Capability.MEMORY_SNAPSHOT`.

    Its engine is `SupportsForget`, and resumes such snapshots by `TaskSpec.resume`.
    """

    _unsupported = ("memory snapshot", "this engine takes no snapshots of processes")

    @abstractmethod
    async def snapshot_memory(self) -> MemorySnapshot:
        """Take a snapshot of files and processes, for `TaskSpec.resume`; the task continues.

        Raises:
            InvalidSpec: the task is not `freezable`.
            NotFreezable: a process holds something that cannot be saved.
            StoreFull, TaskEnded: as `SupportsSnapshots.snapshot`.
        """


class SupportsPorts(Ability):
    """A task whose ports can be connected to; `Capability.PORT`."""

    _unsupported = ("port", "this engine cannot connect to ports of sandboxes")

    @abstractmethod
    async def connect(self, port: int) -> Connection:
        """Connect to a port that something inside listens on, on its loopback interface.

        Raises:
            ConnectionRefusedError: nothing listens there.
            TaskEnded: the task has ended.
        """


class SupportsNetworkLog(Ability):
    """A task that knows what its programs connected to, `TaskSpec.network`."""

    _unsupported = ("network log", "this engine does not know what programs connect to")

    @abstractmethod
    async def network_log(self) -> NetworkLog:
        """What programs connected to so far; also after the end of the task."""


class SupportsUsage(Ability):
    """A task that knows what it used of the machine."""

    _unsupported = ("usage", "this engine does not measure what sandboxes use")

    @abstractmethod
    async def usage(self) -> Usage:
        """What it used so far, or until it ended."""


class SupportsNetworkChange(Ability):
    """A task whose network can be changed; `Capability.NETWORK`."""

    _unsupported = ("network change", "this engine cannot change the network of a sandbox")

    @abstractmethod
    async def set_network(self, network: Network) -> None:
        """Allow other connections than before; those that no longer are have ended on return.

        A task that was created without a network has one from then on.

        Raises:
            InvalidSpec: the network makes no sense.
            TaskEnded: the task has ended.
            Unsupported: the machine cannot do it.
        """


class SupportsSidecars(Ability):
    """A task that others can be made beside, and be connected with; `Capability.SANDBOX_NETWORK`.

    They are tasks like any other, with files, processes and a network of their own.
    """

    _unsupported = ("sidecar", "its sandboxes cannot see each other")

    @abstractmethod
    async def create_sidecar(self, spec: TaskSpec) -> Task:
        """Create a task that shares the limits of this one: what both use is counted together.

        `TaskSpec.limits` and `requests` are not heeded. The new task does not end with this one.

        Raises:
            TaskEnded: the task has ended.
            EngineError: as `Engine.create` raises it.
        """

    @abstractmethod
    async def join(self, membership: Membership) -> None:
        """Let a task that was created without a `TaskSpec.membership` have one.

        From then on, connections that lead nowhere fail as in a network from which nothing leads
        out.

        Raises:
            InvalidSpec: the membership makes no sense, or the task has one already.
            TaskEnded: the task has ended.
            Unsupported: the machine cannot do it.
        """


# Abilities of engines


class SupportsForget(Ability):
    """An engine that stores snapshots, and can forget each of them."""

    _unsupported = ("snapshot", "this engine takes no snapshots")

    @abstractmethod
    async def forget(self, snapshot: AnySnapshot) -> None:
        """Forget a snapshot; its storage is freed once nothing depends on it any more.

        Tasks and snapshots that were made from it stay. Does nothing if there is no such snapshot.
        """

    def frees(self, snapshot: AnySnapshot) -> bool:
        """Whether `forget` would free storage now; `True` if that is not known.

        It would not free any while something else depends on every layer of the snapshot, such as
        the task that it was taken of; or where it is not stored on the machine that had no room.
        """
        return True

    def lost(self, snapshot: AnySnapshot) -> str:
        """Why a snapshot is gone that nobody forgot, and what to do: `"it was on NAME, which …"`.

        Empty while it is there, as it always is for an engine of one machine.
        """
        return ""


class SupportsExport(Ability):
    """An engine whose snapshots of all files can outlive it, as bytes.

    It gives a `fingerprint` in its `EngineInfo`.
    """

    _unsupported = ("export", "this engine cannot export images")

    @abstractmethod
    def export(self, snapshot: Snapshot, *, below: Snapshot | None = None) -> AsyncIterator[bytes]:
        """A snapshot as a stream for `load`; the image `Host` below it is not part of the stream.

        Args:
            snapshot: to export.
            below: one that it was made from, which `load` gets too: what is in that need not be
                part of the stream.

        Raises:
            InvalidSpec: it was not made from `below`.
            UnknownImage: there is no such snapshot.
        """

    @abstractmethod
    async def load(
        self, stream: AsyncIterator[bytes], *, below: Snapshot | None = None
    ) -> Snapshot:
        """Make a snapshot from a stream of `export`, of this run or another.

        Args:
            stream: of `export`.
            below: has the files of the one that `export` got; `None` if it got none.

        Raises:
            InvalidSpec: the stream is not from `export`, or incomplete; nothing is left behind.
            StoreFull: no room for it.
            UnknownImage: there is no snapshot `below`.
        """


class SupportsFlatten(Ability):
    """An engine for which a snapshot of many layers is slower than one of few."""

    _unsupported = ("flatten", "the layers of this engine cost nothing")

    @abstractmethod
    async def flatten(self, snapshot: Snapshot) -> Snapshot:
        """The same files in fewer layers; the same snapshot if that would cost more than it gives.

        Raises:
            StoreFull: no room for it.
            UnknownImage: there is no such snapshot.
        """


class SupportsImages(Ability):
    """An engine that runs images of other distributions; `Capability.IMAGE`."""

    _unsupported = ("image", "this engine runs no images of registries or archives")

    @property
    @abstractmethod
    def image_store(self) -> ImageStore:
        """Where their layers are; the caller puts the blobs of an image there."""

    @abstractmethod
    async def unpack(self, image: OciImage) -> None:
        """Make an image ready for `TaskSpec.image`; does nothing if it is.

        Layers that the store has unpacked need no blob. They stay while the engine runs.

        Raises:
            InvalidSpec: a layer is damaged, or is not what its digest says, or cannot be unpacked
                here; the message has the layer.
            StoreFull: no room for it.
        """


@dataclass(frozen=True)
class PackageDatabase:
    """What the package manager of Debian needs besides the files of `Host`.

    Attributes:
        content: a tar, relative to the root directory.
        left_out: settings of the package manager that no task sees, as they may hold passwords.
    """

    content: AsyncIterator[bytes]
    left_out: tuple[str, ...] = ()


class SupportsPackages(Ability):
    """An engine whose image `Host` can be a view of a machine with packages of Debian.

    Tasks do not see its package database, which is large. Builds add it to images whose steps use
    it.
    """

    _unsupported = ("packages", "this engine shows no machine")

    @property
    @abstractmethod
    def has_packages(self) -> bool:
        """Whether the machine has a package database that dpkg understands."""

    @abstractmethod
    def package_database(self) -> PackageDatabase:
        """The database, and empty directories for what apt downloads and logs."""


class SupportsPrepare(Ability):
    """An engine that takes hints about the next `create`."""

    _unsupported = ("prepare", "this engine creates no sandboxes in advance")

    @abstractmethod
    async def prepare(self, spec: TaskSpec) -> None:
        """Get ready for a `create` that is likely to come; it only affects speed.

        The `create` may have another main process, environment, name and tags.
        """


class SupportsConnectionFaults(Ability):
    """An engine that disturbs connections of its tasks on request; `Capability.NETWORK`."""

    _unsupported = ("connection faults", "this engine cannot disturb connections of sandboxes")

    @abstractmethod
    async def set_fault(self, fault: ConnectionFault) -> None:
        """Set a fault, or change the one with its id; it acts when this returns.

        Raises:
            InvalidSpec: it makes no sense.
        """

    @abstractmethod
    async def fault_counts(self, ids: Collection[str]) -> Mapping[str, tuple[int, int]]:
        """By id, how many connections or questions a fault was for, and how many it affected."""

    @abstractmethod
    async def clear_faults(self, ids: Collection[str]) -> None:
        """Clear faults; open connections are left alone from now on."""


class SupportsVolumes(Ability):
    """An engine that mounts volumes, `TaskSpec.volumes`; `Capability.VOLUME`."""

    _unsupported = ("volume", "this engine has no volumes")

    @abstractmethod
    async def forget_volume(self, volume: str) -> None:
        """Forget a volume, by `VolumeMount.volume`; tasks that have it mounted keep it.

        The same name means a new volume from then on. Does nothing if there is no such volume.
        """
