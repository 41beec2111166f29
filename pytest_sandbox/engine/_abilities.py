"""Abilities that an engine may have or lack, each a small abstract class.

The task class of an engine derives from the abilities of tasks that it has, its engine class from
those of engines. Whoever wants one asks for it, `SupportsPorts.of(task).connect(80)`, and gets
`Unsupported` from an engine that lacks it.

`EngineInfo.capabilities` says what works on this machine. A class may have an ability that needs
something this machine lacks: then the capability is absent, and the calls raise `Unsupported` with
the reason. The conformance suite checks that classes and capabilities agree.
"""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from typing import ClassVar, TypeVar

from ._connection import Connection
from ._engine import Engine
from ._errors import Unsupported
from ._image import AnySnapshot, DirectorySnapshot, MemorySnapshot, Snapshot
from ._spec import TaskSpec
from ._task import Task

A = TypeVar("A", bound="Ability")


class Ability(ABC):
    """Something that a task or an engine may be able to do."""

    #: The feature and the reason that `Unsupported` gives where this is absent.
    _unsupported: ClassVar[tuple[str, str]]

    @classmethod
    def of(cls: type[A], thing: Task | Engine) -> A:
        """A task or an engine, as something that has this ability.

        Raises:
            Unsupported: it has not.
        """
        if not isinstance(thing, cls):
            raise Unsupported(*cls._unsupported)
        return thing


# Abilities of tasks


class SupportsSnapshots(Ability):
    """A task whose files can be snapshotted; `Capability.SNAPSHOT`.

    Its engine is `SupportsForget`.
    """

    _unsupported = ("snapshot", "this engine has none")

    @abstractmethod
    async def snapshot(self, *, end: bool = False) -> Snapshot:
        """Take a snapshot of all files, for `TaskSpec.image`.

        What is mounted is not part of it: volumes, mounted snapshots, `/proc`, `/dev`.
        Processes notice only a pause. Calls on one task are served one after another.

        Args:
            end: end the task too, which saves copying; it is as if `kill` had been called.

        Raises:
            StoreFull: no room for it; the task goes on as before, unless `end`.
            TaskEnded: the task is over.
        """

    @abstractmethod
    async def snapshot_directory(self, path: str) -> DirectorySnapshot:
        """Take a snapshot of a directory, including what is mounted on it, for `mount`.

        Raises:
            OSError: as `Files` has it, `ENOTDIR` among them.
            StoreFull, TaskEnded: as `snapshot`.
        """


class SupportsMounts(Ability):
    """A task in which snapshots of directories can be mounted; `Capability.SNAPSHOT`."""

    _unsupported = ("mount", "this engine mounts no images")

    @abstractmethod
    async def mount(self, path: str, snapshot: DirectorySnapshot | None) -> None:
        """Mount a directory, writable, over another one; writes to it stay in this task.

        Args:
            path: an existing directory. The mount hides its contents and any earlier mount.
            snapshot: of the directory; `None` for an empty one.

        Raises:
            OSError: as `Files` has it.
            InvalidSpec: nothing can be mounted at this path.
            UnknownImage: there is no such snapshot.
            TaskEnded: the task is over.
        """

    @abstractmethod
    async def unmount(self, path: str) -> None:
        """Undo the latest `mount` at a path.

        Raises:
            OSError: `EINVAL` if nothing was mounted there, `EBUSY` if it is in use.
            TaskEnded: the task is over.
        """


class SupportsMemorySnapshots(Ability):
    """A task whose processes can be snapshotted; `Capability.MEMORY_SNAPSHOT`.

    Its engine is `SupportsForget`, and resumes such snapshots by `TaskSpec.resume`.
    """

    _unsupported = ("memory snapshot", "this engine has none")

    @abstractmethod
    async def snapshot_memory(self) -> MemorySnapshot:
        """Take a snapshot of files and processes, for `TaskSpec.resume`; the task goes on.

        Raises:
            InvalidSpec: the task is not `freezable`.
            NotFreezable: a process holds something that cannot be saved.
            StoreFull, TaskEnded: as `SupportsSnapshots.snapshot`.
        """


class SupportsPorts(Ability):
    """A task whose ports can be connected to; `Capability.PORT`."""

    _unsupported = ("port", "this engine has no way in")

    @abstractmethod
    async def connect(self, port: int) -> Connection:
        """Connect to a port that something inside listens on, on its loopback interface.

        Raises:
            ConnectionRefusedError: nothing listens there.
            TaskEnded: the task is over.
        """


# Abilities of engines


class SupportsForget(Ability):
    """An engine that stores snapshots until it is told to forget them."""

    _unsupported = ("snapshot", "this engine has none")

    @abstractmethod
    async def forget(self, snapshot: AnySnapshot) -> None:
        """Forget a snapshot; its storage is freed once nothing depends on it any more.

        Tasks and snapshots that were made from it stay. An unknown one is fine.
        """

    def frees(self, snapshot: AnySnapshot) -> bool:
        """Whether `forget` would free storage now; `True` if that is not known.

        It would not while something else depends on all that the snapshot consists of, such as the
        task that it was made from.
        """
        return True


class SupportsExport(Ability):
    """An engine whose snapshots of all files can outlive it, as bytes.

    It gives a `fingerprint` in its `EngineInfo`.
    """

    _unsupported = ("export", "this engine's images do not outlive it")

    @abstractmethod
    def export(self, snapshot: Snapshot) -> AsyncIterator[bytes]:
        """A snapshot as a stream for `load`, without the image `Host` below it.

        Raises:
            UnknownImage: there is no such snapshot.
        """

    @abstractmethod
    async def load(self, stream: AsyncIterator[bytes]) -> Snapshot:
        """Make a snapshot of what `export` gave, in this run or another.

        Raises:
            InvalidSpec: it is not that, or it is not whole; nothing is left behind.
            StoreFull: no room for it.
        """


class SupportsPrepare(Ability):
    """An engine that can be told what is likely to be created soon."""

    _unsupported = ("prepare", "this engine makes no sandboxes ahead")

    @abstractmethod
    async def prepare(self, spec: TaskSpec) -> None:
        """Get ready for a `create` that is likely to come; it only affects speed.

        The `create` may have another main process, environment, name and tags.
        """


class SupportsVolumes(Ability):
    """An engine that mounts volumes, `TaskSpec.volumes`; `Capability.VOLUME`."""

    _unsupported = ("volume", "this engine has none")

    @abstractmethod
    async def forget_volume(self, volume: str) -> None:
        """Forget a volume, by `VolumeMount.volume`; tasks that have it mounted keep it.

        The same name means a new volume from then on. An unknown one is fine.
        """
