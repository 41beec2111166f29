"""Calls of the far side: what they raise there, they raise here.

A call ends with an answer, with what it raised there, or because the session is over: a connection
that is lost and resumed is no matter of this side.
"""

from __future__ import annotations

import asyncio
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from google.protobuf.message import DecodeError
from grpclib.exceptions import GRPCError, ProtocolError, StreamTerminatedError
from h2.exceptions import H2Error

from pytest_sandbox._proto.engine_grpc import EngineStub
from pytest_sandbox._proto.engine_pb2 import Failure
from pytest_sandbox.engine import AnySnapshot, EngineError, EngineUnavailable, TaskLost

from ..wire.failures import HasFailure, error_of, pinned_of
from ..wire.malformed import Malformed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType

    from grpclib.client import ServiceMethod, UnaryUnaryMethod

    from pytest_sandbox.client.transport import CallStream

    from .connection import FarConnection

Request = TypeVar("Request")
Reply = TypeVar("Reply", bound=HasFailure)

#: What grpclib, and h2 below it, raise when a call cannot be made, or is broken off.
_BROKEN = (
    GRPCError,
    StreamTerminatedError,
    ProtocolError,
    H2Error,
    DecodeError,
    OSError,
    AssertionError,
    AttributeError,  # of a channel that was closed
    NotImplementedError,
)


class NearCalls:
    """The calls that one engine makes.

    Args:
        connection: what they are made over.

    Attributes:
        stub: has the calls.
        of_tasks: the same calls, for those about a task: it is lost when the session is over.
        pinned: snapshots that would free nothing, when the far side last had no room.
        host: what errors about the state of the far machine call it.
    """

    def __init__(self, connection: FarConnection) -> None:
        self.stub = EngineStub(connection.channel)
        self.pinned: frozenset[AnySnapshot] = frozenset()
        self.host = connection.host or connection.machine
        self._connection = connection
        self.of_tasks: NearCalls = _CallsOfTasks(self, connection)

    def call_host(self, host: str) -> None:
        """Have errors about the state of the far machine call it so."""
        self.host = self.of_tasks.host = host

    def check(self) -> None:
        """Refuse a call when the session is over.

        Raises:
            EngineUnavailable: it is.
        """
        if self._connection.reason:
            raise self.lost()

    def lost(self, error: BaseException | None = None) -> EngineError:
        """The error of a call that was broken off.

        Args:
            error: what broke it off, if the session is not over.
        """
        machine = self._connection.machine
        if self._connection.reason:
            return EngineUnavailable(f"the engine on {machine} is gone: {self._connection.reason}")
        what = "the call was broken off" if error is None else f"{type(error).__name__}: {error}"
        return EngineUnavailable(f"the engine on {machine} does not answer as it should: {what}")

    @contextmanager
    def honest(self) -> Iterator[None]:
        """Read what the far side has said; nonsense is `EngineUnavailable`."""
        try:
            yield
        except ValueError as nonsense:
            raise self.lost(nonsense) from nonsense

    def raised(self, failure: Failure) -> Exception:
        """What a call raised there."""
        if failure.pinned or failure.kind == Failure.STORE_FULL:
            self.pinned = pinned_of(failure)
        return error_of(failure, self.host)

    async def ask(self, method: UnaryUnaryMethod[Request, Reply], request: Request) -> Reply:
        """Make a call that has one answer.

        Raises:
            EngineUnavailable: the session is over.
            Exception: what it raised there.
        """
        self.check()
        try:
            async with method.open() as stream:
                await stream.send_message(request, end=True)
                reply = await stream.recv_message()
        except _BROKEN as error:
            raise self.lost(error) from error
        if reply is None:
            raise self.lost()
        if reply.HasField("failure"):
            raise self.raised(reply.failure)
        return reply

    def open(self, method: ServiceMethod[Request, Reply]) -> FarCall[Request, Reply]:
        """Begin a call of several messages, for the length of a `with`."""
        return FarCall(self, method)


class _CallsOfTasks(NearCalls):
    """Those about tasks, whose caller need not try again once the session is over."""

    def __init__(self, calls: NearCalls, connection: FarConnection) -> None:
        self.stub = calls.stub
        self.of_tasks = self
        self.host = calls.host
        self._connection = connection
        self._calls = calls

    def lost(self, error: BaseException | None = None) -> EngineError:
        lost = self._calls.lost(error)
        return TaskLost(str(lost)) if self._connection.reason else lost

    def raised(self, failure: Failure) -> Exception:
        return self._calls.raised(failure)


class FarCall(Generic[Request, Reply]):
    """A call of several messages; leaving it early has the far side give it up.

    Args:
        calls: of the engine.
        method: what is called.
    """

    def __init__(self, calls: NearCalls, method: ServiceMethod[Request, Reply]) -> None:
        self._calls = calls
        self._method = method
        self._ended = self._complete = False
        self._stream: CallStream[Request, Reply]

    async def __aenter__(self) -> FarCall[Request, Reply]:
        self.begin()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        await self.leave()

    def begin(self) -> None:
        """What to do first, without `async with`; then `leave` has to be last.

        Raises:
            EngineUnavailable: the session is over.
        """
        self._calls.check()
        self._stream = cast("CallStream[Request, Reply]", self._method.open())

    async def leave(self) -> None:
        """Have the far side give it up if it is not complete; waits for nothing."""
        # With any error, grpclib waits for nothing, and resets what is not complete.
        error = None if self._complete else asyncio.CancelledError()
        with suppress(*_BROKEN):
            await self._stream.__aexit__(None if error is None else type(error), error, None)

    async def send(self, request: Request, *, end: bool = False) -> None:
        """Send a message.

        Args:
            request: the message.
            end: it is the last one.

        Raises:
            EngineUnavailable: the session is over.
        """
        await self._do(lambda: self._stream.send_message(request, end=end))
        self._ended = self._ended or end

    def send_now(self, request: Request) -> bool:
        """Send a message if that takes no waiting; whether it was sent."""
        try:
            return self._stream.send_now(request)
        except _BROKEN:
            return False  # whoever sends or receives finds out

    async def end(self) -> None:
        """Say that no more messages will be sent."""
        if not self._ended:
            self._ended = True
            await self._do(self._stream.end)

    async def receive(self) -> Reply | None:
        """The next message; `None` after the last one.

        Raises:
            EngineUnavailable: the session is over.
            Exception: what the call raised there.
        """
        reply: Reply | None = await self._do(self._stream.recv_message)
        if reply is None:
            if not self._ended:
                self._ended = True
                self._stream.end_later()
            await self._do(self._stream.recv_trailing_metadata)
            self._complete = True
        elif reply.HasField("failure"):
            raise self._calls.raised(reply.failure)
        return reply

    async def answer(self) -> Reply:
        """The next message, which must come.

        Raises:
            EngineUnavailable: the session is over.
            Exception: what the call raised there.
        """
        reply = await self.receive()
        if reply is None:
            raise self._calls.lost(Malformed("an answer is missing"))
        return reply

    async def _do(self, step: Callable[[], Any]) -> Any:
        try:
            return await step()
        except _BROKEN as error:
            raise self._calls.lost(error) from error
