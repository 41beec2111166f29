"""Sandboxes that were made ahead, for a `create` that is likely to come."""

from __future__ import annotations

import asyncio
import dataclasses
import os
from typing import TYPE_CHECKING

from pytest_sandbox.engine import AnySnapshot, EngineError, TaskSpec

from .links.errors import BuildFailed
from .outlet import network_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from .task import LocalTask

#: Seconds after which a sandbox that no `create` claimed is ended.
_CLAIM_TIMEOUT = 30.0
#: At most so many, however many processors there are.
_MOST = 8


class Pool:
    """A few sandboxes without a main process. The pool only affects how long `create` takes.

    Args:
        build: makes a sandbox.
    """

    def __init__(self, build: Callable[[TaskSpec], Awaitable[LocalTask]]) -> None:
        self._build = build
        self._prepared: list[_Prepared] = []  # the newest last
        self._ending: set[asyncio.Task[None]] = set()

    def prepare(self, spec: TaskSpec) -> None:
        """Begin to make one of this shape; the oldest gives way if there are too many.

        Nothing is made ahead that takes what others may see or want, or that has processes already.
        """
        if spec.volumes or spec.gpus is not None or spec.resume is not None:
            return
        making = asyncio.ensure_future(self._build(_shape(spec)))
        prepared = _Prepared(_shape(spec), making)
        prepared.timer = asyncio.get_running_loop().call_later(_CLAIM_TIMEOUT, self._end, prepared)
        self._prepared.append(prepared)
        while len(self._prepared) > capacity():
            self._end(self._prepared[0])

    async def claim(self, spec: TaskSpec) -> LocalTask | None:
        """One of this shape, if there is any that lives; it is the caller's then."""
        shape = _shape(spec)
        while fitting := [one for one in self._prepared if one.shape == shape]:
            prepared = fitting[0]
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

    async def close(self) -> None:
        """End all; return when they are gone."""
        for prepared in self._prepared.copy():
            self._end(prepared)
        await self.ended()

    async def ended(self) -> None:
        """Return when those that are being ended are gone."""
        await asyncio.gather(*self._ending)

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
        timer: ends it.
    """

    def __init__(self, shape: TaskSpec, making: asyncio.Future[LocalTask]) -> None:
        self.shape = shape
        self.making = making
        self.timer: asyncio.TimerHandle | None = None


def capacity() -> int:
    """How many sandboxes the pool holds at most."""
    # Making them takes processor time, which a running test may need.
    return max(2, min(_MOST, os.cpu_count() or 1))


def _shape(spec: TaskSpec) -> TaskSpec:
    """What cannot be changed any more once a sandbox is made."""
    network = network_of(spec)
    return dataclasses.replace(
        spec,
        main=None,
        env={},
        network=network,
        membership=None,
        name="",
        tags={},
        groups=frozenset(),
    )


async def _kill(prepared: _Prepared) -> None:
    try:
        task = await prepared.making
    except (BuildFailed, EngineError):
        return  # nothing was made; a `create` of this kind will report the error
    await task.kill()
