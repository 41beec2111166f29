"""Images and snapshots: what the files, or the processes, of a task start from.

Each kind has a type of its own, so that a type checker refuses a snapshot of a directory where one
of all files is needed. An engine chooses the names of its snapshots. A name is valid in this engine
only, until it forgets the snapshot.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from pytest_sandbox._shared.lazy_dataclass import dataclass

if TYPE_CHECKING:
    from pytest_sandbox.images import LayerBlob


@dataclass(frozen=True)
class Host:
    """A curated, read-only view of this machine."""

    def __str__(self) -> str:
        return "host"


@dataclass(frozen=True)
class OciImage:
    """An image of a registry or an archive, which `SupportsImages.unpack` has made ready.

    Attributes:
        reference: its name for people: `alpine:3.21`.
        digest: of its manifest, which tells it from others.
        layers: the lowest first.
    """

    reference: str
    digest: str
    layers: tuple[LayerBlob, ...]

    def __str__(self) -> str:
        return self.reference


@dataclass(frozen=True)
class Snapshot:
    """All files of a task as they were, from `SupportsSnapshots.snapshot`."""

    name: str

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class DirectorySnapshot:
    """A directory of a task as it was, from `SupportsSnapshots.snapshot_directory`."""

    name: str

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class MemorySnapshot:
    """Files and processes of a task as they were, from `SupportsMemorySnapshots`."""

    name: str

    def __str__(self) -> str:
        return self.name


#: What the files of a task can start from.
RootImage: TypeAlias = Host | OciImage | Snapshot

#: What an engine stores until `SupportsForget.forget`.
AnySnapshot: TypeAlias = Snapshot | DirectorySnapshot | MemorySnapshot
