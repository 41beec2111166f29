"""Results of file operations as messages, and back."""

from pytest_sandbox._proto import engine_pb2 as pb
from pytest_sandbox.engine import Entry, EntryKind, WatchEvent, WatchKind

from .malformed import Malformed
from .texts import text_from_wire, text_to_wire

_ENTRY_KINDS = {kind.value: kind for kind in EntryKind}
_WATCH_KINDS = {kind.value: kind for kind in WatchKind}


def entry_to_wire(entry: Entry) -> pb.Entry:
    """What `lstat(2)` says about a name; only the last part of its path."""
    return pb.Entry(
        name=text_to_wire(entry.name),
        kind=entry.kind.value,
        mode=entry.mode,
        size=entry.size,
        uid=entry.uid,
        gid=entry.gid,
        owner=text_to_wire(entry.owner),
        group=text_to_wire(entry.group),
        mtime_ns=entry.mtime_ns,
        symlink_target=(
            None if entry.symlink_target is None else text_to_wire(entry.symlink_target)
        ),
    )


def entry_from_wire(message: pb.Entry, path: str) -> Entry:
    """What `lstat(2)` says about a path.

    Args:
        message: what was said.
        path: as it was asked for.

    Raises:
        Malformed: it is of no kind.
    """
    kind = _ENTRY_KINDS.get(message.kind)
    if kind is None:
        raise Malformed(f"an entry of the kind {message.kind[:200]!r}")
    has_target = message.HasField("symlink_target")
    return Entry(
        path,
        kind,
        message.mode,
        message.size,
        message.uid,
        message.gid,
        text_from_wire(message.owner),
        text_from_wire(message.group),
        message.mtime_ns,
        text_from_wire(message.symlink_target) if has_target else None,
    )


def entry_of_directory_from_wire(message: pb.Entry, directory: str) -> Entry:
    """An entry of a directory.

    Raises:
        Malformed: it has no name that a directory can hold; callers may make a path of it here.
    """
    name = text_from_wire(message.name)
    if name in ("", ".", "..") or "/" in name or "\0" in name:
        raise Malformed(f"a directory holds {name[:200]!r}")
    return entry_from_wire(message, f"{directory.rstrip('/')}/{name}")


def event_to_wire(event: WatchEvent) -> pb.WatchReply:
    """A change below a watched path."""
    return pb.WatchReply(kind=event.kind.value, paths=[text_to_wire(path) for path in event.paths])


def event_from_wire(message: pb.WatchReply) -> WatchEvent:
    """A change below a watched path.

    Raises:
        Malformed: it is of no kind.
    """
    kind = _WATCH_KINDS.get(message.kind)
    if kind is None:
        raise Malformed(f"a change of the kind {message.kind[:200]!r}")
    return WatchEvent(kind, tuple(text_from_wire(path) for path in message.paths))
