"""Lines of logs, asked for as Modal's servers want it: with a span of time, and by task."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from pytest_sandbox._proto.apps_pb2 import AppFetchLogsRequest

#: How far back is looked for the newest lines, until there are enough, as Modal's client does it.
_SPANS = (timedelta(hours=1), timedelta(days=1), timedelta(days=7), timedelta(days=30))
#: Lines that one call asks for at most.
_MOST = 20_000


async def fetched(
    request: AppFetchLogsRequest, ask: Callable[[AppFetchLogsRequest], Awaitable[Any]]
) -> Any:
    """The answer to a request.

    Args:
        request: for the lines of a span, or the newest ones.
        ask: makes a call.
    """
    request.limit = request.limit or _MOST
    if not request.HasField("until"):
        request.until.FromDatetime(datetime.now(timezone.utc))
    if request.HasField("since"):
        return await ask(request)
    until = request.until.ToDatetime(tzinfo=timezone.utc)
    for span in _SPANS:
        request.since.FromDatetime(until - span)
        response = await ask(request)
        if sum(len(batch.items) for batch in response.batches) >= request.limit:
            break
    return response
