"""Times that callers give, as messages."""

from __future__ import annotations

from datetime import datetime, timezone

from google.protobuf.timestamp_pb2 import Timestamp

from pytest_sandbox._shared.type_names import type_name

from ..exceptions import InvalidError

__tracebackhide__ = True  # a failing test shows the caller's line, not these


def time_message(name: str, time: datetime) -> Timestamp:
    """A time as a message; local time if it has no time zone.

    Args:
        name: of the argument.
        time: its value.

    Raises:
        InvalidError: it is no time.
    """
    if not isinstance(time, datetime):
        raise InvalidError(f"{name}={time!r} is {type_name(time)}, not a datetime")
    stamp = Timestamp()
    stamp.FromDatetime(time.astimezone(timezone.utc))
    return stamp
