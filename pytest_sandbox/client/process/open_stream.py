"""A call of ours that stays open and stands for several, which go on wherever it ends."""

from __future__ import annotations

import asyncio
import contextlib
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Generic, TypeVar

from pytest_sandbox._shared.async_tasks import background
from pytest_sandbox._shared.kept_errors import to_raise

from ..exceptions import AuthError, ResourceExhaustedError, UnimplementedError
from ..transport.calls import TIMEOUT
from ..transport.retries import is_transient

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from ..transport.call_stream import CallStream
    from ..transport.calls import Calls, Metadata, Talking
    from ..transport.open_calls import OpenCalls

__tracebackhide__ = True  # a failing test shows the caller's line, not these

Req = TypeVar("Req")
Res = TypeVar("Res")

#: Seconds in which the server has to answer, as it has for the call that this stands for first.
_ANSWER = TIMEOUT
#: Seconds in which what is asked for may come before the server is told.
_PATIENCE = 0.005
#: Besides failures that pass: errors that the calls which follow do not get, or tell better.
_ELSEWHERE = (AuthError, ResourceExhaustedError, UnimplementedError)


class OpenStream(ABC, Generic[Req, Res]):
    """Such a call. On the portal's loop only.

    Args:
        calls: make it.
        kept: it is one of these.

    Attributes:
        over: whether nothing more will come.
    """

    def __init__(self, calls: Calls, kept: OpenCalls) -> None:
        self._calls = calls
        self._kept = kept
        self.over = self._answered = False
        self._error: Exception | None = None
        self._stream: CallStream[Req, Res] | None = None
        self._changes: set[asyncio.Future[None]] = set()
        self._loop = asyncio.get_running_loop()
        self._telling: asyncio.TimerHandle | None = None

    def _open(
        self, method: Talking[Req, Res], metadata: Metadata, rpc: str, first: Req, *, whole: bool
    ) -> None:
        """Make the call.

        Args:
            method: which.
            metadata: of it.
            rpc: what it stands for first, for errors.
            first: the first message.
            whole: whether it is the last.
        """
        self._kept.begin(self)
        self._task: asyncio.Task[None] | None = self._loop.create_task(
            self._talk(method, metadata, rpc, lambda stream: self._receive(stream, first, whole))
        )
        self._task.add_done_callback(self._ended)
        # After that, a call of its own does it, whose deadline ends in an error.
        self._patience = self._loop.call_later(_ANSWER, self.close)

    def _ended(self, _: object = None) -> None:
        self._task = None  # which may have an error, which has the frames of this
        self._kept.over(self)

    @abstractmethod
    def _take(self, response: Res) -> None:
        """Take what came."""

    @abstractmethod
    def retire(self) -> bool:
        """Have nothing more come, and forget what was not asked for, which other calls get.

        Returns:
            Whether that was done: not so while something is waited for.
        """

    @property
    def refused(self) -> bool:
        """Whether the server may not have the call."""
        return isinstance(self._error, UnimplementedError)

    def close(self) -> None:
        """Have nothing more come."""
        if self._loop is asyncio.get_running_loop():  # else in a fork
            if self._stream is not None:
                self._stream.reset_soon()
            if self._task is not None:
                self._task.cancel()  # which may not have begun
            self._patience.cancel()
        self.over = True
        self._wake()

    @property
    def _alive(self) -> bool:
        """Whether anything may still come: not so in a fork, or after the portal was closed."""
        return not self.over and self._loop is asyncio.get_running_loop()

    def _raise_unless_elsewhere(self) -> None:
        """Raise the error that it ended with, unless a call of its own gets another one."""
        error = self._error
        if error is None or isinstance(error, _ELSEWHERE) or is_transient(error):
            return
        raise to_raise(error)

    async def _talk(
        self,
        method: Talking[Req, Res],
        metadata: Metadata,
        rpc: str,
        receive: Callable[[CallStream[Req, Res]], Awaitable[None]],
    ) -> None:
        assert self._task is not None
        self._task.remove_done_callback(self._ended)  # which takes a turn of the event loop
        try:
            await self._calls.converse(method, metadata, rpc, receive)
        except Exception as error:
            if not self._answered:  # else nobody asks for it, and it has the frames of this
                self._error = error
        finally:
            self._stream = None
            self.over = True
            self._patience.cancel()
            self._wake()
            self._ended()

    async def _receive(self, stream: CallStream[Req, Res], first: Req, whole: bool) -> None:
        await stream.send_message(first, end=whole)
        self._stream = stream
        await stream.give_each(self._came)
        if not whole:
            await stream.end()

    def _came(self, response: Res) -> None:
        if self.over:  # it was closed by what came just before
            return
        if not self._answered:
            self._answered = True
            self._patience.cancel()
        self._take(response)
        self._wake()

    def _tell_soon(self, tell: Callable[[], None]) -> None:
        """Have the server told what is asked for, unless all of it comes within a moment."""
        if self._telling is None:
            self._telling = self._loop.call_later(_PATIENCE, self._tell_now, tell)

    def _tell_now(self, tell: Callable[[], None]) -> None:
        self._telling = None
        tell()

    def _need_not_tell(self) -> None:
        """All that is asked for has come."""
        if self._telling is not None:
            self._telling.cancel()
            self._telling = None

    def _say(self, request: Req) -> None:
        if self._stream is not None and self._alive:
            background(self._send(self._stream, request))

    async def _send(self, stream: CallStream[Req, Res], request: Req) -> None:
        # If the connection is broken, what was asked for is asked for again by other calls.
        with contextlib.suppress(Exception):
            await stream.send_message(request)

    async def _change(self) -> None:
        change = self._loop.create_future()
        self._changes.add(change)
        try:
            await change
        finally:
            self._changes.discard(change)

    def _wake(self) -> None:
        for change in self._changes:
            if not change.done():
                change.set_result(None)
