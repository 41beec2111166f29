"""Events of a watch: changes in the file system of a sandbox."""

from __future__ import annotations

import json
from enum import Enum
from typing import TYPE_CHECKING

from pytest_sandbox._shared.lazy_dataclass import dataclass

from ..exceptions import InvalidError
from ..validation import check_list

if TYPE_CHECKING:
    from collections.abc import Collection

__tracebackhide__ = True  # a failing test shows the caller's line, not these

#: Kinds that the wire has, and callers do not: a path got another name.
_RENAMES = ("Rename", "RenameFrom", "RenameTo")


class FileWatchEventType(Enum):
    """What happened to a path.

    `Unknown`: more happened than the kernel queues, and events of any kind are missing. It is told
    whatever the filter of the watch is.
    """

    Unknown = "Unknown"
    Access = "Access"
    Create = "Create"
    Modify = "Modify"
    Remove = "Remove"


@dataclass
class FileWatchEvent:
    """A change.

    Attributes:
        paths: what changed; two paths, old and new, if something got another name.
        type: what happened.
    """

    paths: list[str]
    type: FileWatchEventType


def kinds(wanted: Collection[object]) -> frozenset[FileWatchEventType]:
    """The kinds that a caller wants, ours or Modal's, and always `Unknown`.

    Raises:
        InvalidError: there is no such kind, or it is no list.
    """
    check_list("filter", wanted, "FileWatchEventType")
    try:
        chosen = {FileWatchEventType(getattr(kind, "value", kind)) for kind in wanted}
    except ValueError as error:
        raise InvalidError(f"filter={wanted!r} holds no FileWatchEventType: {error}") from None
    return frozenset({*chosen, FileWatchEventType.Unknown})


def wire_kinds(wanted: Collection[FileWatchEventType]) -> list[str]:
    """The same as the wire has them."""
    names = sorted(kind.value for kind in wanted)
    return names + (list(_RENAMES) if FileWatchEventType.Modify in wanted else [])


def event(line: bytes) -> FileWatchEvent:
    """The event that a line of JSON describes."""
    told = json.loads(line)
    kind = "Modify" if told["event_type"] in _RENAMES else told["event_type"]
    return FileWatchEvent(list(told["paths"]), FileWatchEventType(kind))
