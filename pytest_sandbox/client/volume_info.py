"""Information about volumes, and the times in it."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING

from pytest_sandbox._shared.lazy_dataclass import dataclass

from .exceptions import InvalidError

if TYPE_CHECKING:
    from pytest_sandbox._proto import volumes_pb2 as pb

__tracebackhide__ = True  # a failing test shows the caller's line, not these


@dataclass
class VolumeInfo:
    """Information about a volume.

    Attributes:
        name: `None` for an ephemeral one.
        created_at: when it was made.
        created_by: always `None`: users have no names here.
    """

    name: str | None
    created_at: datetime
    created_by: str | None


def volume_info(metadata: pb.VolumeMetadata) -> VolumeInfo:
    """The information that a server gave."""
    created_at = datetime.fromtimestamp(metadata.creation_info.created_at, timezone.utc)
    return VolumeInfo(metadata.name or None, created_at.astimezone(), None)


def timestamp(moment: datetime | str | None) -> float:
    """Seconds since the epoch; 0 for none, as on the wire."""
    if moment is None:
        return 0.0
    try:
        moment = datetime.fromisoformat(moment) if isinstance(moment, str) else moment
        return moment.timestamp()  # without a zone, it is this machine's
    except (AttributeError, ValueError):
        raise InvalidError(f"created_before={moment!r} is no time, such as 2025-12-31") from None
