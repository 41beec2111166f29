"""What the engine keeps for clients: files and memory of sandboxes, under ids of ours.

A thing is good until its time is up, until somebody has it forgotten, or until the engine has no
room for another: the least recently used goes first, unless a running sandbox or another thing
stands on it, or the engine says that forgetting it would free nothing.
"""

from collections import Counter, OrderedDict
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from grpclib import GRPCError, Status

from pytest_sandbox.engine import AnySnapshot, Engine, StoreFull, SupportsForget

from ..async_helpers import start
from ..rpc.errors import not_found

if TYPE_CHECKING:
    import asyncio

R = TypeVar("R")

#: Things that are gone of which it is known why.
REMEMBERED = 1000


@dataclass(frozen=True)
class Kept:
    """One thing on the shelf.

    Attributes:
        id: what clients call it.
        snapshot: what the engine calls it.
        below: id of the thing that it stands on; empty if none.
        expiry: when its time is up, on the engine's monotonic clock; `None` for never.
        gone: called when it is not there any more.
    """

    id: str
    snapshot: AnySnapshot
    below: str = ""
    expiry: float | None = None
    gone: Callable[[], None] = lambda: None


class Shelf:
    """Things of one engine, the least recently used first.

    Args:
        engine: keeps them.
        in_use: the ids of those that running sandboxes stand on.
    """

    def __init__(self, engine: Engine, in_use: Callable[[], Iterable[str]]) -> None:
        self._engine = engine
        self._in_use = in_use
        self._things: OrderedDict[str, Kept] = OrderedDict()
        self._pins: Counter[str] = Counter()
        self._why: OrderedDict[str, str] = OrderedDict()
        self._forgetting: set[asyncio.Future[None]] = set()

    def put(self, thing: Kept) -> None:
        """Register what the engine keeps from now on."""
        self._expire()
        self._things[thing.id] = thing

    def use(self, kind: str, thing_id: str) -> Kept:
        """A thing by id, which is used with this.

        Args:
            kind: what it is, for the message.
            thing_id: its id.

        Raises:
            GRPCError: NOT_FOUND; it says what became of it.
        """
        self._expire()
        thing = self._things.get(thing_id)
        if thing is None:
            raise not_found(kind, thing_id, self.why(thing_id))
        self._things.move_to_end(thing_id)
        return thing

    def why(self, thing_id: str) -> str:
        """What became of a thing that is not there; empty if that is not known."""
        return self._why.get(thing_id, "")

    @contextmanager
    def pinned(self, thing_id: str) -> Iterator[None]:
        """Make no room with a thing meanwhile."""
        self._pins[thing_id] += 1
        try:
            yield
        finally:
            self._pins[thing_id] -= 1
            if not self._pins[thing_id]:
                del self._pins[thing_id]

    async def forget(self, thing_id: str) -> None:
        """Let a thing go; one that is not there is fine."""
        thing = self._take(thing_id, "it was forgotten")
        if thing is not None:
            await self._store().forget(thing.snapshot)

    async def with_room(self, work: Callable[[], Awaitable[R]]) -> R:
        """The result of `work`, which is tried again with more room as long as there is any.

        Raises:
            GRPCError: RESOURCE_EXHAUSTED: everything that is kept is in use.
        """
        while True:
            try:
                return await work()
            except StoreFull as error:  # noqa: PERF203 - each turn is an attempt
                if not error.forgetting_helps:
                    raise
                await self._make_room(error)

    async def _make_room(self, need: StoreFull) -> None:
        oldest = self._unused()
        if oldest is None:
            raise GRPCError(
                Status.RESOURCE_EXHAUSTED,
                f"{need}; the {len(self._things)} snapshots that are kept are all in use: end "
                "sandboxes that they were made of, or that were made from them",
            ) from need
        self._take(oldest.id, "the engine needed its room for others, which were used later")
        await self._store().forget(oldest.snapshot)

    def _store(self) -> SupportsForget:
        return SupportsForget.of(self._engine)

    def _unused(self) -> Kept | None:
        """The thing that may go first."""
        below = (thing.below for thing in self._things.values())
        needed = {*below, *self._pins, *self._in_use()}
        free = (thing for key, thing in self._things.items() if key not in needed)
        return next((thing for thing in free if self._store().frees(thing.snapshot)), None)

    def _expire(self) -> None:
        now = self._engine.clock.monotonic()
        for thing in list(self._things.values()):
            if thing.expiry is not None and thing.expiry <= now:
                self._take(thing.id, "its time to live is over")
                forgetting = start(self._store().forget(thing.snapshot))
                self._forgetting.add(forgetting)
                forgetting.add_done_callback(self._forgetting.discard)

    def _take(self, thing_id: str, why: str) -> Kept | None:
        thing = self._things.pop(thing_id, None)
        if thing is not None:
            self._why[thing_id] = why
            if len(self._why) > REMEMBERED:
                self._why.popitem(last=False)
            thing.gone()
        return thing
