"""What the main processes of sandboxes have written, as a log of their app."""

import asyncio
import heapq
from collections import Counter, deque
from collections.abc import AsyncIterator, Iterable
from itertools import groupby

from google.protobuf.timestamp_pb2 import Timestamp

from pytest_sandbox._proto import apps_pb2 as pb
from pytest_sandbox._proto import common_pb2

from ..commands.log_entries import LoggedLine, log_entries
from ..model.sandbox import ServedSandbox
from ..model.state import State
from ..rpc.call import ServedCall
from ..rpc.errors import invalid, not_found
from .log_messages import DESCRIPTORS, streams_of

_Request = pb.AppCountLogsRequest | pb.AppFetchLogsRequest

#: The most entries of one response, the newest, and the most characters of their texts.
MOST_ENTRIES = 20_000
MOST_TEXT = 32 * 1024 * 1024
#: Entries after which other calls have a turn.
_TURN = 1000


class AppLogServicer:
    """The RPCs behind `Sandbox.logs`."""

    def __init__(self, state: State) -> None:
        self._state = state

    async def AppFetchLogs(
        self, request: pb.AppFetchLogsRequest, call: ServedCall
    ) -> pb.AppFetchLogsResponse:
        """The newest entries between two times, the oldest of them first."""
        most = min(request.limit or MOST_ENTRIES, MOST_ENTRIES)
        newest: deque[LoggedLine] = deque()
        text = 0
        async for entry in self._matching(request):
            newest.append(entry)
            text += len(entry.text)
            while len(newest) > most or text > MOST_TEXT:
                text -= len(newest.popleft().text)
        batches = groupby(newest, key=lambda entry: entry.sandbox)
        return pb.AppFetchLogsResponse(batches=[_batch(*each) for each in batches])

    async def AppCountLogs(
        self, request: pb.AppCountLogsRequest, call: ServedCall
    ) -> pb.AppCountLogsResponse:
        """How many entries there are in each span of `bucket_secs` that has some."""
        if not request.bucket_secs:
            raise invalid("bucket_secs must be above 0")
        counts: tuple[Counter[int], Counter[int]] = (Counter(), Counter())
        async for entry in self._matching(request):
            counts[entry.stream][int(entry.time // request.bucket_secs)] += 1
        buckets = [
            pb.AppCountLogsResponse.LogBucket(
                bucket_start_at=Timestamp(seconds=number * request.bucket_secs),
                stdout_logs=counts[0][number],
                stderr_logs=counts[1][number],
            )
            for number in sorted({*counts[0], *counts[1]})
        ]
        return pb.AppCountLogsResponse(app_id=request.app_id, buckets=buckets)

    async def _matching(self, request: _Request) -> AsyncIterator[LoggedLine]:
        since = _seconds(request.since)
        until = _seconds(request.until) if request.HasField("until") else float("inf")
        logs = [
            log_entries(sandbox, stream)
            for sandbox in self._sandboxes(request)
            for stream in streams_of(request.source)
        ]
        merged = heapq.merge(*logs, key=lambda entry: entry.time)
        for number, entry in enumerate(merged, 1):
            if not number % _TURN:
                await asyncio.sleep(0)
            if since <= entry.time <= until and request.search_text in entry.text:
                yield entry

    def _sandboxes(self, request: _Request) -> list[ServedSandbox]:
        app = self._state.apps.get(request.app_id)
        if request.function_id or request.function_call_id or request.parametrized_function_id:
            return []  # there are no functions
        known = self._state.sandboxes
        if request.task_id:
            chosen = [known.of_task(request.task_id)]
        elif request.sandbox_id:
            chosen = [known.get(request.sandbox_id)]
        else:
            return [sandbox for sandbox in known.all() if sandbox.app_id == app.id]
        if chosen[0].app_id != app.id:
            raise not_found("Sandbox", chosen[0].id, f"it is not of App {app.id!r}")
        return chosen


def _seconds(time: Timestamp) -> float:
    return time.seconds + time.nanos / 1e9


def _batch(sandbox: ServedSandbox, entries: Iterable[LoggedLine]) -> common_pb2.TaskLogsBatch:
    return common_pb2.TaskLogsBatch(
        task_id=sandbox.task_id,
        sandbox_id=sandbox.id,
        items=[
            common_pb2.TaskLogs(
                data=entry.text,
                timestamp=entry.time,
                timestamp_ns=int(entry.time * 1e9),
                file_descriptor=DESCRIPTORS[entry.stream],
            )
            for entry in entries
        ],
    )
