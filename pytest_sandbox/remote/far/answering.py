"""How a call is answered: what it raises is in the answer, and ends nothing else."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from google.protobuf.message import DecodeError
from grpclib import GRPCError, Status
from grpclib.const import Cardinality

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from grpclib.const import Handler
    from grpclib.server import Stream

    from pytest_sandbox._proto.engine_pb2 import Failure


def serve(
    method: Callable[..., Any], entry: Handler, told: Callable[[Exception], Failure]
) -> Callable[[Any], Awaitable[None]]:
    """What serves the calls of a method, for grpclib.

    Args:
        method: takes the request, or an iterator of them; gives the answer, or an iterator of
            them. One with both takes requests and a function that sends an answer.
        entry: says which of these it is.
        told: what the caller is told of an error.
    """
    cardinality, reply = entry.cardinality, entry.reply_type

    async def one(stream: Stream[Any, Any]) -> None:
        try:
            requests: Any = _requests(stream)
            request = requests if cardinality.client_streaming else await anext(requests)
            answer = await method(request)
        except (GRPCError, StopAsyncIteration):
            raise
        except Exception as error:
            answer = reply(failure=told(error))
        await stream.send_message(answer)

    async def many(stream: Stream[Any, Any]) -> None:
        try:
            requests: Any = _requests(stream)
            if cardinality is Cardinality.STREAM_STREAM:
                await method(requests, stream.send_message)
                return
            async with aclosing(method(await anext(requests))) as answers:
                async for answer in answers:
                    await stream.send_message(answer)
        except (GRPCError, StopAsyncIteration):
            raise
        except Exception as error:
            await stream.send_message(reply(failure=told(error)))

    return many if cardinality.server_streaming else one


async def _requests(stream: Stream[Any, Any]) -> AsyncIterator[Any]:
    while (request := await _request(stream)) is not None:
        yield request


async def _request(stream: Stream[Any, Any]) -> Any:
    try:
        return await stream.recv_message()
    except (DecodeError, AssertionError, NotImplementedError) as error:
        raise GRPCError(Status.INVALID_ARGUMENT, f"no valid message: {error}") from error
