"""Sandboxes that were made ahead, for a `create` that is likely to come."""

from __future__ import annotations

import asyncio
import functools
import os
from typing import TYPE_CHECKING

from pytest_sandbox.engine import AnySnapshot, EngineError, TaskSpec

from ..agents.errors import BuildFailed

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from .task import LocalTask

#: Seconds after which a sandbox that no `create` claimed is ended.
_CLAIM_TIMEOUT = 30.0
#: At most so many, however many processors there are.
_MOST = 8


class Pool:
    """A few sandboxes without a main process. The pool only affects how long `create` takes.

    Those that a hint asked for are each for one `create`. Spares are made unasked: they give way to
    what a hint asks for.

    Args:
        build: makes a sandbox.
    """

    def __init__(self, build: Callable[[TaskSpec], Awaitable[LocalTask]]) -> None:
        self._build = build
        self._prepared: list[_Prepared] = []  # the newest last
        self._ending: set[asyncio.Task[None]] = set()

    def prepare(self, shape: TaskSpec) -> None:
        """Begin to make one of this shape; the oldest gives way if there are too many."""
        spare = self._find(shape, spare=True)
        if spare is not None:
            self._take(spare)
            self._add(_Prepared(shape, spare.making, spare=False))
            return
        self._make(shape, spare=False)
        while len(self._prepared) > capacity():
            self._end(self._find(None, spare=True) or self._prepared[0])

    def keep_spare(self, shape: TaskSpec) -> asyncio.Future[LocalTask] | None:
        """Begin to make one of this shape unless there is one; the oldest spare gives way.

        Returns:
            It, if it is made now.
        """
        if self._find(shape) is not None:
            return None
        if len(self._prepared) >= capacity():
            oldest = self._find(None, spare=True)
            if oldest is None:
                return None
            self._end(oldest)
        return self._make(shape, spare=True)

    async def claim(self, shape: TaskSpec) -> LocalTask | None:
        """One of this shape, if there is any that lives; it is the caller's then."""
        while (prepared := self._find(shape)) is not None:
            self._take(prepared)
            try:
                # Shielded: others may wait for the same sandbox, and one half made has to be ended,
                # not dropped.
                task = await asyncio.shield(prepared.making)
            except (BuildFailed, EngineError):
                continue
            except asyncio.CancelledError:
                self._end(prepared)
                raise
            if task.poll() is None:
                return task
        return None

    @property
    def tasks(self) -> list[asyncio.Future[LocalTask]]:
        """The sandboxes that are ready or are being made, the newest last."""
        return [one.making for one in self._prepared]

    def depends_on(self, snapshot: AnySnapshot) -> bool:
        """Whether there are some made from a snapshot, which would end with it."""
        return any(one.shape.image == snapshot for one in self._prepared)

    def forget(self, snapshot: AnySnapshot) -> None:
        """End those that were made from a snapshot."""
        for prepared in [one for one in self._prepared if one.shape.image == snapshot]:
            self._end(prepared)

    async def clear(self) -> bool:
        """End all; return when they are gone, with whether there were any, ending ones too."""
        for one in self._prepared.copy():
            self._end(one)
        were_any = bool(self._ending)
        await self.ended()
        return were_any

    async def ended(self) -> None:
        """Return when those that are being ended are gone."""
        await asyncio.gather(*self._ending)

    def _find(self, shape: TaskSpec | None, *, spare: bool | None = None) -> _Prepared | None:
        """The oldest of a shape; `None` for any."""
        for one in self._prepared:
            if shape in (None, one.shape) and spare in (None, one.spare):
                return one
        return None

    def _make(self, shape: TaskSpec, *, spare: bool) -> asyncio.Future[LocalTask]:
        making = asyncio.ensure_future(self._build(shape))
        self._add(_Prepared(shape, making, spare=spare))
        making.add_done_callback(self._made)
        return making

    def _made(self, making: asyncio.Future[LocalTask]) -> None:
        if making.cancelled() or making.exception() is not None:
            # Why it could not be made matters to those who claim it, who make another one then.
            for prepared in [one for one in self._prepared if one.making is making]:
                self._take(prepared)
        elif making in self.tasks:  # nobody waits for it
            making.result().warm_up()

    def _add(self, prepared: _Prepared) -> None:
        prepared.timer = asyncio.get_running_loop().call_later(_CLAIM_TIMEOUT, self._end, prepared)
        self._prepared.append(prepared)

    def _take(self, prepared: _Prepared) -> None:
        self._prepared.remove(prepared)
        if prepared.timer is not None:
            prepared.timer.cancel()

    def _end(self, prepared: _Prepared) -> None:
        if prepared in self._prepared:
            self._take(prepared)
        ending = asyncio.ensure_future(_kill(prepared))
        self._ending.add(ending)
        ending.add_done_callback(self._ending.discard)


class _Prepared:
    """A sandbox that is made, or is being made.

    Attributes:
        shape: what was asked for, without what may still change.
        making: gives it.
        spare: whether it was made unasked.
        timer: ends it.
    """

    def __init__(self, shape: TaskSpec, making: asyncio.Future[LocalTask], *, spare: bool) -> None:
        self.shape = shape
        self.making = making
        self.spare = spare
        self.timer: asyncio.TimerHandle | None = None


@functools.cache
def capacity() -> int:
    """How many sandboxes the pool holds at most."""
    # Making them takes processor time, which a running test may need.
    return max(2, min(_MOST, os.cpu_count() or 1))


async def _kill(prepared: _Prepared) -> None:
    try:
        task = await prepared.making
    except (BuildFailed, EngineError):
        return  # nothing was made; a `create` of this kind will report the error
    await task.kill()
