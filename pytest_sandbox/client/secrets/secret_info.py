"""Information about secrets."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING

from pytest_sandbox._shared.lazy_dataclass import dataclass

if TYPE_CHECKING:
    from pytest_sandbox._proto.secrets_pb2 import SecretMetadata

__tracebackhide__ = True  # a failing test shows the caller's line, not these


@dataclass
class SecretInfo:
    """Information about a secret.

    Attributes:
        name: `None` for one without a name.
        environment_name: the environment it is in.
        created_at: when it was made.
        created_by: always `None`: users have no names here.
        last_used: when a sandbox or a command had it last; `None` if none has, or the server does
            not tell.
    """

    name: str | None
    environment_name: str
    created_at: datetime
    created_by: str | None
    last_used: datetime | None


def secret_info(metadata: SecretMetadata) -> SecretInfo:
    """The information that a server gave."""
    created_at = datetime.fromtimestamp(metadata.creation_info.created_at, timezone.utc)
    used = metadata.last_used_at
    return SecretInfo(
        name=metadata.name or None,
        environment_name=metadata.environment_name,
        created_at=created_at.astimezone(),
        created_by=None,
        last_used=datetime.fromtimestamp(used, timezone.utc) if used else None,
    )
