"""The logs of an app as they grow: what main processes of its sandboxes write."""

import asyncio
import codecs
from collections import OrderedDict
from collections.abc import AsyncIterator

from pytest_sandbox._proto import apps_pb2 as pb
from pytest_sandbox._proto import common_pb2

from ..model.checks import check_timeout
from ..model.sandbox import ServedSandbox
from ..model.state import State
from ..rpc.call import ServedCall
from ..rpc.errors import not_found
from .log_messages import DESCRIPTORS, streams_of

#: Bytes of output in one message.
_CHUNK = 64 * 1024
#: Places that streams have ended at, from which clients go on; the oldest are forgotten.
_PLACES = 1000

#: For each stream of the output of a main process, how far it was told: offsets by sandbox,
#: generation and stream.
_Place = dict[tuple[str, int, int], int]


class AppLogStreamServicer:
    """The RPC behind `App.logs.stream`, and what clients show while an app runs."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._places: OrderedDict[str, _Place] = OrderedDict()

    async def AppGetLogs(
        self, request: pb.AppGetLogsRequest, call: ServedCall
    ) -> AsyncIterator[common_pb2.TaskLogsBatch]:
        """Output as it comes, for `timeout` seconds, or until the app has stopped."""
        check_timeout(request.timeout)
        app = self._state.apps.get(request.app_id)
        streams = streams_of(request.file_descriptor)
        place = dict(self._places.get(request.last_entry_id, {}))
        clock, news = self._state.clock, self._state.log_news
        deadline = clock.monotonic() + request.timeout
        while True:
            changed = news.changed
            # Asked first: what was written before the end is there now.
            over = app.state == pb.APP_STATE_STOPPED and not self._running(request)
            pairs = [(each, stream) for each in self._chosen(request) for stream in streams]
            for sandbox, stream in pairs:
                while item := _next(sandbox, stream, place, await call.room(_CHUNK)):
                    if request.search_text in item.data:
                        yield self._batch(sandbox, item, place)
            if over:
                yield common_pb2.TaskLogsBatch(app_done=True)
                return
            try:
                await news.after(changed, deadline - clock.monotonic())
            except asyncio.TimeoutError:
                return

    def _running(self, request: pb.AppGetLogsRequest) -> bool:
        return any(sandbox.result is None for sandbox in self._chosen(request))

    def _chosen(self, request: pb.AppGetLogsRequest) -> list[ServedSandbox]:
        if request.function_id or request.function_call_id or request.parametrized_function_id:
            return []  # there are no functions
        known = self._state.sandboxes
        if request.task_id:
            chosen = [known.of_task(request.task_id)]
        elif request.sandbox_id:
            chosen = [known.get(request.sandbox_id)]
        else:
            return [each for each in known.all() if each.app_id == request.app_id]
        if chosen[0].app_id != request.app_id:
            raise not_found("Sandbox", chosen[0].id, f"it is not of App {request.app_id!r}")
        return chosen

    def _batch(
        self, sandbox: ServedSandbox, item: common_pb2.TaskLogs, place: _Place
    ) -> common_pb2.TaskLogsBatch:
        entry = self._state.ids.new("le")
        self._places[entry] = dict(place)
        if len(self._places) > _PLACES:
            self._places.popitem(last=False)
        return common_pb2.TaskLogsBatch(
            task_id=sandbox.task_id, sandbox_id=sandbox.id, entry_id=entry, items=[item]
        )


def _next(
    sandbox: ServedSandbox, stream: int, place: _Place, most: int
) -> common_pb2.TaskLogs | None:
    """What was written next to one stream, if anything was; no character is split."""
    times = sandbox.commands.main_times
    if times is None:
        return None
    key = sandbox.id, sandbox.generation, stream
    log = sandbox.commands.main_logs[stream]
    offset = max(place.get(key, 0), log.first)
    data = log.peek(offset, max(4, most // 3))  # a byte that is not UTF-8 becomes three
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    text = decoder.decode(data, final=log.closed and offset + len(data) == log.end)
    place[key] = offset + len(data) - len(decoder.getstate()[0])
    if not text:
        return None
    time = times[stream].at(offset)
    return common_pb2.TaskLogs(
        data=text,
        timestamp=time,
        timestamp_ns=int(time * 1e9),
        file_descriptor=DESCRIPTORS[stream],
    )
