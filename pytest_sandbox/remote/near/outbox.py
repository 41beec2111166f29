"""What is sent on a call that goes on, one message after another.

A caller that gives up must not leave half a message on the wire, so a task of its own sends.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Generic, TypeVar

from pytest_sandbox._shared.async_tasks import background

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Awaitable, Callable

M = TypeVar("M")


class Outbox(Generic[M]):
    """Messages that wait to be sent.

    Args:
        send: sends one.
    """

    def __init__(self, send: Callable[[M], Awaitable[None]]) -> None:
        self._send = send
        self._waiting: deque[M] = deque()
        self._sending: asyncio.Task[None] | None = None

    def put(self, message: M) -> None:
        """Send a message after those before it."""
        self._waiting.append(message)
        if self._sending is None:
            self._sending = background(self._work())

    async def _work(self) -> None:
        try:
            while self._waiting:
                await self._send(self._waiting.popleft())
        finally:
            # After an error nothing more can be sent: whoever receives on the call finds out.
            self._sending = None

    def close(self) -> None:
        """Send nothing more."""
        self._waiting.clear()
        if self._sending is not None:
            self._sending.cancel()
