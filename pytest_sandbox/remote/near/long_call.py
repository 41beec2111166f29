"""A call of `Create` or `Exec`, which lasts as long as the task or the process."""

from __future__ import annotations

import asyncio
import itertools
from typing import TYPE_CHECKING, Generic, TypeVar

from pytest_sandbox._shared.async_tasks import background
from pytest_sandbox._shared.kept_errors import to_raise
from pytest_sandbox.engine import EngineError, EngineUnavailable, TaskLost

from ..wire.malformed import Malformed
from .outbox import Outbox

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from grpclib.client import StreamStreamMethod

    from pytest_sandbox._proto import engine_pb2 as pb

    from .calls import FarCall, NearCalls


S = TypeVar("S")


class LongCall(Generic[S]):
    """Sends orders, and passes on what is reported.

    Args:
        calls: of the engine.
        method: `Create` or `Exec`.
        first: the first order.
        begin: makes what was started of the first report, and sets `on_report` and `on_end`.

    Attributes:
        on_report: takes each report but the first.
        on_end: called when there will be no more; if the call was broken off, with the reason.
        running: once it has started, ends with the call.
    """

    def __init__(
        self,
        calls: NearCalls,
        method: StreamStreamMethod[pb.Order, pb.Report],
        first: pb.Order,
        begin: Callable[[LongCall[S], pb.Report], S],
    ) -> None:
        self._calls = calls
        self._method = method
        self._first = first
        self._begin = begin
        self._call: FarCall[pb.Order, pb.Report] | None = None
        self._outbox: Outbox[pb.Order] = Outbox()
        self._numbers = itertools.count(1)
        self._asked: dict[int, asyncio.Future[None]] = {}
        self.on_report: Callable[[pb.Report], None] = _ignore
        self.on_end: Callable[[TaskLost | None], None] = _ignore
        self.running: asyncio.Task[None]

    async def start(self) -> S:
        """What was started; if the caller gives up, so does the far side.

        Raises:
            Exception: what the call raised there.
        """
        call = self._calls.open(self._method)
        call.begin()
        try:
            await call.send(self._first)
            first = await call.answer()
            if not first.HasField("started"):
                raise Malformed("what was to start has not")
            self._call = self._outbox.call = call
            begun = self._begin(self, first)
        except BaseException as error:
            self._forget()
            await call.leave()
            if isinstance(error, ValueError) and not isinstance(error, EngineError):
                raise self._calls.lost(error) from error  # such as `Malformed`
            raise
        self.running = background(self._run(call))
        return begun

    def order(self, order: pb.Order) -> None:
        """Send an order."""
        if self._call is not None:
            self._outbox.put(order)

    async def ask(self, order: pb.Order) -> None:
        """Send an order, and wait until it is carried out; at once if the call has ended.

        Raises:
            TaskLost: the session is over.
            Exception: what it raised there.
        """
        if self._call is None:
            return
        order.number = next(self._numbers)
        answer = self._asked[order.number] = asyncio.get_running_loop().create_future()
        self._outbox.put(order)
        try:
            await answer
        finally:
            self._asked.pop(order.number, None)

    def no_end(self) -> TaskLost:
        """The error if the call has ended, and what it is about has not."""
        return TaskLost(str(self._calls.lost(Malformed("a call ended without an end"))))

    def raised(self, failure: pb.Failure) -> Exception:
        """What was raised there."""
        return self._calls.raised(failure)

    @property
    def host(self) -> str:
        """What errors about the state of the far machine call it."""
        return self._calls.host

    async def _run(self, call: FarCall[pb.Order, pb.Report]) -> None:
        error: EngineError | None = None
        try:
            while (report := await call.receive()) is not None:
                self._answered(report)
                self.on_report(report)
        except EngineError as raised:
            error = raised if isinstance(raised, EngineUnavailable) else self._calls.lost(raised)
        except asyncio.CancelledError:
            error = self._calls.lost()
            raise
        except Exception as raised:  # such as `Malformed`, or an `OSError` of the far side
            error = self._calls.lost(raised)
        finally:
            await call.leave()
            self._end(error)

    def _answered(self, report: pb.Report) -> None:
        for each in report.done:
            answer = self._asked.get(each.number)
            if answer is not None and not answer.done():
                if each.HasField("failure"):
                    answer.set_exception(self._calls.raised(each.failure))
                else:
                    answer.set_result(None)

    def _end(self, error: EngineError | None) -> None:
        lost = None if error is None else TaskLost(str(error))
        for answer in self._asked.values():
            if not answer.done():
                if lost is None:
                    answer.set_result(None)  # it was about what has ended
                else:
                    answer.set_exception(to_raise(lost))
        on_end = self.on_end
        self._forget()
        on_end(lost)

    def _forget(self) -> None:
        """Send no more, and hold nothing: the callbacks hold what the caller has, and that this."""
        self._outbox.close()
        self._call = None
        self.on_report, self.on_end = _ignore, _ignore


def _ignore(_: Any) -> None:
    pass
