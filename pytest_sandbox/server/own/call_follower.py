"""What follows something for one caller, by a call that stands for others."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractContextManager
from typing import Any, Generic, TypeVar

from pytest_sandbox._shared.async_tasks import background

from ..rpc.answers import Room
from ..rpc.call import AnyStream

Request = TypeVar("Request")
Response = TypeVar("Response")

#: Bytes of a stream that are sent before anybody asks for them: as much as a pipe holds.
AHEAD = 64 * 1024
#: Seconds that a client has to hear that its calls are recorded or disturbed from now on.
_PATIENCE = 1.0


class CallFollower(ABC, Generic[Request, Response]):
    """Says what there is to say, until there is no more, and takes what the caller asks for.

    Args:
        apart: whether further calls have to be made by themselves.
        room: waits until the client takes more of a large response.

    Attributes:
        apart: done when the caller knows that it has to make further calls by themselves.
    """

    def __init__(self, apart: Callable[[], bool], room: Room) -> None:
        self._must_part = apart
        self._room = room
        self._no_more_asked = False
        self._mistake: Exception | None = None
        self._changed = asyncio.Event()
        self.apart: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def has_to_part(self) -> bool:
        """Whether the caller has to be told, which is done soon."""
        self._look()
        return self._must_part() and not self.apart.done()

    async def listen(self, requests: AnyStream) -> None:
        """Take what the caller asks for, until it asks for nothing more."""
        try:
            while (request := await requests.recv_message()) is not None:
                await self._take(request)
                self._look()
        except Exception as error:
            self._mistake = error
        self._no_more_asked = True
        self._look()

    def _look(self) -> None:
        """See whether something has changed."""
        self._changed.set()

    async def responses(self) -> AsyncGenerator[Response, None]:
        """What the caller is sent."""
        unwatch = self._watch()
        try:
            while True:
                self._changed.clear()
                if self._mistake is not None:
                    raise self._mistake
                if self._can_part() and not self.apart.done() and self._must_part():
                    yield self._parting()
                    self._parted()
                response = await self._next()
                if response is None and self._over():
                    break
                response = response or self._meanwhile()
                if response is None:
                    await self._changed.wait()
                else:
                    yield response
            await self._last()
        finally:
            unwatch()
            self._parted()

    def _parted(self) -> None:
        if not self.apart.done():
            self.apart.set_result(None)

    @abstractmethod
    def _watch(self) -> Callable[[], None]:
        """Have `_look` called when there may be something to say; what undoes that, at the end."""

    @abstractmethod
    async def _take(self, request: Request) -> None:
        """Take one thing that the caller asks for.

        Raises:
            GRPCError: it makes no sense.
        """

    @abstractmethod
    def _parting(self) -> Response:
        """What tells the caller to make further calls by themselves."""

    @abstractmethod
    async def _next(self) -> Response | None:
        """What there is to say now; `None` for nothing."""

    @abstractmethod
    def _over(self) -> bool:
        """Whether there will be nothing more to say."""

    async def _last(self) -> None:
        """Wait for what may come once there is nothing more to say."""

    def _can_part(self) -> bool:
        """Whether the caller can be told that while this goes on."""
        return True

    def _meanwhile(self) -> Response | None:
        """What there is to say while there is nothing else; `None` for nothing."""
        return None


class Followers:
    """Those of one RPC that are under way."""

    def __init__(self) -> None:
        self._all: set[CallFollower[Any, Any]] = set()

    async def tell(self) -> None:
        """Calls are recorded or disturbed from now on: tell the clients to make them.

        Returns when they know, so that the next call that one of them makes is seen.
        """
        told = [follower.apart for follower in self._all if follower.has_to_part()]
        if told:
            await asyncio.wait(told, timeout=_PATIENCE)

    def listening(
        self, follower: CallFollower[Any, Any], requests: AnyStream
    ) -> AbstractContextManager[None]:
        """While inside, it is one of these, and takes what its caller asks for."""
        return _Listening(self._all, follower, requests)


class _Listening(AbstractContextManager[None]):
    def __init__(
        self,
        followers: set[CallFollower[Any, Any]],
        follower: CallFollower[Any, Any],
        requests: AnyStream,
    ) -> None:
        self._followers = followers
        self._follower = follower
        self._requests = requests

    def __enter__(self) -> None:
        self._followers.add(self._follower)
        self._task = background(self._follower.listen(self._requests))

    def __exit__(self, *_: object) -> None:
        self._followers.remove(self._follower)
        self._task.cancel()
