"""What the files, or the processes, of a task start from.

A closed set of types, so that a type checker sees a snapshot of a directory where one of all files
is wanted. An engine makes up the names of its snapshots; each is good until the engine forgets it,
and for no other engine.
"""

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True)
class Host:
    """A curated, read-only view of this machine."""

    def __str__(self) -> str:
        return "host"


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


#: What the files of a task can start as.
RootImage: TypeAlias = Host | Snapshot

#: What an engine stores until it is told to forget it.
AnySnapshot: TypeAlias = Snapshot | DirectorySnapshot | MemorySnapshot
