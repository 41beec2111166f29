"""What is sent on a call that goes on, one message after another.

A caller that gives up must not leave half a message on the wire, so a task of its own sends what
has to wait.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from pytest_sandbox._shared.async_tasks import background

if TYPE_CHECKING:
    import asyncio

    from .calls import FarCall

M = TypeVar("M")


class Outbox(Generic[M]):
    """Messages that wait to be sent.

    Attributes:
        call: on which they are sent; nothing is before it is set.
    """

    def __init__(self) -> None:
        self.call: FarCall[M, Any] | None = None
        self._waiting: deque[M] = deque()
        self._sending: asyncio.Task[None] | None = None

    def put(self, message: M) -> None:
        """Send a message after those before it."""
        call = self.call
        if call is None or (self._sending is None and call.send_now(message)):
            return
        self._waiting.append(message)
        if self._sending is None:
            self._sending = background(self._work(call))

    async def _work(self, call: FarCall[M, Any]) -> None:
        try:
            while self._waiting:
                await call.send(self._waiting.popleft())
        finally:
            # After an error nothing more can be sent: whoever receives on the call finds out.
            self._sending = None

    def close(self) -> None:
        """Send nothing more."""
        self.call = None
        self._waiting.clear()
        if self._sending is not None:
            self._sending.cancel()
