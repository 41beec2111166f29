"""A call that another one stands for: it is not made by itself, and is recorded all the same."""

import asyncio
from collections.abc import Callable

from google.protobuf.message import Message

from ..rpc.call import ServedCall
from ..rpc.errors import failure
from ..rpc.middleware import Middleware


class StoodFor:
    """A call that another one stands for, which has begun.

    Args:
        rpc: its name.
        made: the call that stands for it.
        middleware: records it.

    Attributes:
        call: what its handler gets.
    """

    def __init__(self, rpc: str, made: ServedCall, middleware: Middleware) -> None:
        self.call = ServedCall(rpc, made.listener, made.metadata)
        self.call.task_id = made.task_id
        self._watched = middleware.begin(self.call)
        self._over = False

    async def request(self, message: Callable[[ServedCall], Message]) -> None:
        """Its request has come.

        Args:
            message: makes the request.
        """
        if self._watched.watches:
            await self._watched.request(message(self.call))

    def respond(self, message: Message) -> None:
        """It is answered, in part if it is a stream."""
        if self._watched.watches and not self._over:
            for _ in self._watched.responses(message):
                pass

    def end(self) -> None:
        """It has succeeded."""
        self._exit(None)

    def fail(self, error: BaseException) -> None:
        """It has failed, or was cancelled."""
        self._exit(failure(error, self.call.rpc) if isinstance(error, Exception) else error)

    def give_up(self) -> None:
        """The client has given it up, unless it has ended."""
        self._exit(asyncio.CancelledError())

    def _exit(self, error: BaseException | None) -> None:
        if not self._over:
            self._over = True
            self._watched.__exit__(type(error) if error else None, error, None)
