"""Reading logs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_sandbox._proto.apps_pb2 import AppFetchLogsRequest

from ..exceptions import InvalidError, LogsFetchError
from ..transport.dual import dual_iterator
from .log_entry import SOURCES, LogEntry, LogSource, entries
from .times import time_message

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable
    from datetime import datetime

    from ..base_client import BaseClient

__tracebackhide__ = True  # a failing test shows the caller's line, not these

#: The most lines of one answer, the newest, as with Modal's servers.
MOST = 20_000


class LogReader:
    """The log of a sandbox, or of all sandboxes of an app; it can be read again and again.

    Args:
        app: finds the app: the client of its server, and its id.
        sandbox_id: of the sandbox; empty for all of the app.
    """

    def __init__(
        self, app: Callable[[], Awaitable[tuple[BaseClient, str]]], sandbox_id: str = ""
    ) -> None:
        self._app = app
        self._sandbox_id = sandbox_id

    @dual_iterator
    async def fetch(
        self,
        *,
        since: datetime,
        until: datetime | None = None,
        source: LogSource | None = None,
        search_text: str = "",
    ) -> AsyncGenerator[LogEntry, None]:
        """The lines of a span of time, the oldest first: the newest 20,000 if there are more.

        Args:
            since: the beginning of the span; local time if it has no time zone.
            until: its end, likewise; the end of the log if not given.
            source: `"stdout"` or `"stderr"`, for the lines of one stream.
            search_text: text that the lines contain.

        Raises:
            InvalidError: an argument makes no sense.
            NotFoundError: the server does not know the sandbox, or the app, any more.
        """
        request = self._request(source)
        request.since.CopyFrom(time_message("since", since))
        if until is not None:
            request.until.CopyFrom(time_message("until", until))
        request.search_text = search_text
        for entry in await self._asked(request):
            yield entry

    @dual_iterator
    async def tail(
        self, entries: int = 100, *, source: LogSource | None = None
    ) -> AsyncGenerator[LogEntry, None]:
        """The newest lines, the oldest of them first.

        Args:
            entries: how many, at most 20,000.
            source: `"stdout"` or `"stderr"`, for the lines of one stream.

        Raises:
            InvalidError: an argument makes no sense.
            LogsFetchError: that are too many.
            NotFoundError: the server does not know the sandbox, or the app, any more.
        """
        if isinstance(entries, bool) or not isinstance(entries, int) or entries < 1:
            raise InvalidError(f"entries={entries!r} is not a number of lines from 1 on")
        if entries > MOST:
            raise LogsFetchError(f"entries={entries!r} is more than {MOST}")
        request = self._request(source)
        request.limit = entries
        for entry in await self._asked(request):
            yield entry

    def _request(self, source: LogSource | None) -> AppFetchLogsRequest:
        if source not in SOURCES:
            raise InvalidError(f"source={source!r} is neither 'stdout', 'stderr' nor 'system'")
        return AppFetchLogsRequest(sandbox_id=self._sandbox_id, source=SOURCES[source])

    async def _asked(self, request: AppFetchLogsRequest) -> list[LogEntry]:
        client, request.app_id = await self._app()
        response = await client.calls.control(lambda link: link.control.AppFetchLogs, request)
        return list(entries(response, self._sandbox_id or request.app_id))
