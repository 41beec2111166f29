"""Calls that send much and have one answer, which may come before all is sent."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

from pytest_sandbox._shared.async_tasks import background, cancel_and_wait

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from grpclib.client import StreamUnaryMethod

    from .calls import FarCall, NearCalls, Reply

#: Bytes of one part: a frame of HTTP/2.
PART = 1024 * 1024

Request = TypeVar("Request")


async def parts_of(
    stream: AsyncIterator[bytes], first: Request, part: Callable[[bytes], Request]
) -> AsyncIterator[Request]:
    """The messages that carry a stream of bytes.

    Args:
        stream: the bytes.
        first: what comes before them.
        part: makes a message of some.
    """
    yield first
    async for data in stream:
        if len(data) <= PART:
            yield part(data)
        else:
            view = memoryview(data)
            for start in range(0, len(view), PART):
                yield part(bytes(view[start : start + PART]))


async def sent_and_answered(
    calls: NearCalls, method: StreamUnaryMethod[Request, Reply], requests: AsyncIterator[Request]
) -> Reply:
    """Send messages, until all are sent or the answer comes.

    Raises:
        EngineUnavailable: the session is over.
        Exception: what the call raised there, or what `requests` raises.
    """
    async with calls.open(method) as call:
        sending = background(_send(call, requests))
        answering = background(call.answer())
        try:
            await asyncio.wait({sending, answering}, return_when=asyncio.FIRST_COMPLETED)
            if sending.done() and not answering.done():
                sending.result()
            return await answering
        finally:
            await cancel_and_wait(sending, answering)


async def _send(call: FarCall[Request, Reply], requests: AsyncIterator[Request]) -> None:
    async for request in requests:
        await call.send(request)
    await call.end()
