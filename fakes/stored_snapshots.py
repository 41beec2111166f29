"""The snapshots of an engine in memory."""

from typing import TYPE_CHECKING

from pytest_sandbox.engine import (
    AnySnapshot,
    DirectorySnapshot,
    MemorySnapshot,
    Snapshot,
    UnknownImage,
)

from .files.disk import DiskSnapshot

if TYPE_CHECKING:
    from .processes.memory_snapshot import MemoryImage


class StoredSnapshots:
    """What snapshots hold; their names are counted."""

    def __init__(self) -> None:
        self._disks: dict[AnySnapshot, DiskSnapshot] = {}
        self._memories: dict[AnySnapshot, MemoryImage] = {}
        self._count = 0

    def add_files(self, disk: DiskSnapshot) -> Snapshot:
        """Store all files of a sandbox, without what is mounted."""
        snapshot = Snapshot(self._name())
        self._disks[snapshot] = disk
        return snapshot

    def add_directory(self, disk: DiskSnapshot) -> DirectorySnapshot:
        """Store a directory with everything below it."""
        snapshot = DirectorySnapshot(self._name())
        self._disks[snapshot] = disk
        return snapshot

    def add_memory(self, image: "MemoryImage") -> MemorySnapshot:
        """Store files and processes of a sandbox."""
        snapshot = MemorySnapshot(self._name())
        self._memories[snapshot] = image
        return snapshot

    def _name(self) -> str:
        self._count += 1
        return f"image-{self._count}"

    def disk(self, snapshot: Snapshot | DirectorySnapshot) -> DiskSnapshot:
        """The files of a snapshot.

        Raises:
            UnknownImage: there is no such snapshot, or it was forgotten.
        """
        disk = self._disks.get(snapshot)
        if disk is None:
            raise _unknown(snapshot)
        return disk

    def memory(self, snapshot: MemorySnapshot) -> "MemoryImage":
        """The files and processes of a snapshot.

        Raises:
            UnknownImage: there is no such snapshot, or it was forgotten.
        """
        memory = self._memories.get(snapshot)
        if memory is None:
            raise _unknown(snapshot)
        return memory

    def forget(self, snapshot: AnySnapshot) -> None:
        """Forget a snapshot; an unknown one is fine."""
        self._disks.pop(snapshot, None)
        self._memories.pop(snapshot, None)

    def __len__(self) -> int:
        return len(self._disks) + len(self._memories)


def _unknown(snapshot: AnySnapshot) -> UnknownImage:
    return UnknownImage(f"there is no image {snapshot.name!r}, or it was forgotten")
