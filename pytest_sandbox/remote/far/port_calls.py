"""Connections to ports, relayed."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from pytest_sandbox._proto import engine_pb2 as pb
from pytest_sandbox._shared.async_tasks import background, cancel_and_wait
from pytest_sandbox.engine import SupportsPorts

from ..wire.malformed import Malformed
from ..wire.windows import PORT_WINDOW

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from pytest_sandbox.engine import Connection

    from .held import Held

    SendData = Callable[[pb.FromPort], Awaitable[None]]

_PART = 256 * 1024


class PortCalls:
    """Serves them.

    Args:
        held: what the session holds.
    """

    def __init__(self, held: Held) -> None:
        self._held = held

    async def connect(self, messages: AsyncIterator[pb.ToPort], send: SendData) -> None:
        """Connect to a port, and relay until the call is given up, or the peer breaks."""
        first = await anext(messages)
        if not first.HasField("connect"):
            raise Malformed("the first message connects to nothing")
        task = SupportsPorts.of(self._held.task(first.connect.task))
        connection = await task.connect(first.connect.port)
        try:
            await PortRelay(connection, send).run(messages)
        finally:
            await connection.close()


class PortRelay:
    """A connection, and what the near side has taken of it.

    Args:
        connection: the connection.
        send: sends a message to the near side; one at a time.
    """

    def __init__(self, connection: Connection, send: SendData) -> None:
        self._connection = connection
        self._send_one = send
        self._sending = asyncio.Lock()
        self._sent = self._taken = self._written = 0
        self._room = asyncio.Event()

    async def run(self, messages: AsyncIterator[pb.ToPort]) -> None:
        """Relay both ways until either breaks, or the near side has given up.

        Raises:
            ConnectionError: the peer broke the connection off.
        """
        await self._send(pb.FromPort())
        outward = background(self._inside_to_near())
        inward = background(self._near_to_inside(messages))
        try:
            await asyncio.wait({outward, inward}, return_when=asyncio.FIRST_EXCEPTION)
            for each in (outward, inward):
                if each.done():
                    each.result()
        finally:
            await cancel_and_wait(outward, inward)

    async def _send(self, message: pb.FromPort) -> None:
        async with self._sending:
            await self._send_one(message)

    async def _inside_to_near(self) -> None:
        while True:
            while self._sent - self._taken >= PORT_WINDOW:
                self._room.clear()
                await self._room.wait()
            room = PORT_WINDOW - (self._sent - self._taken)
            data = await self._connection.read(min(_PART, room))
            self._sent += len(data)
            if not data:
                await self._send(pb.FromPort(end=True))
                return
            await self._send(pb.FromPort(data=data))

    async def _near_to_inside(self, messages: AsyncIterator[pb.ToPort]) -> None:
        async for message in messages:
            if message.read:
                if not self._taken <= message.read <= self._sent:
                    raise Malformed(f"{message.read} bytes were read, and {self._sent} sent")
                self._taken = message.read
                self._room.set()
            if message.data:
                await self._connection.write(message.data)
                self._written += len(message.data)
                await self._send(pb.FromPort(written=self._written))
            if message.end:
                await self._connection.end()
