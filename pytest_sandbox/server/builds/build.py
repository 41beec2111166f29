"""One build: its output, how it ended, and whether anybody waits for it."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from pytest_sandbox._proto import common_pb2
from pytest_sandbox._shared.async_tasks import cancel_and_wait
from pytest_sandbox.engine import Clock, OutputLog

from ..async_helpers import start
from .masking import Mask

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterator

    from .plan import Plan

_SUCCESS = common_pb2.GenericResult.GENERIC_STATUS_SUCCESS
_FAILURE = common_pb2.GenericResult.GENERIC_STATUS_FAILURE
_TERMINATED = common_pb2.GenericResult.GENERIC_STATUS_TERMINATED

#: Seconds for which a build goes on though no client waits for it: one whose connection was lost
#: is back by then.
UNWATCHED = 30.0


class Build:
    """One build.

    Args:
        image_id: of the image that it makes.
        plan: what is to be done.
        clock: the engine's.

    Attributes:
        log: the output of its steps.
        result: how it ended; `None` while it runs.
    """

    def __init__(self, image_id: str, plan: Plan, clock: Clock) -> None:
        self.id = image_id
        self.plan = plan
        self.log = OutputLog()
        self.result: common_pb2.GenericResult | None = None
        self._clock = clock
        self._mask = Mask(plan.secrets)
        self._work: asyncio.Future[None] | None = None
        self._reaper: asyncio.Future[None] | None = None
        self._watchers = 0

    def begin(self, work: asyncio.Future[None]) -> None:
        """Say what does the work; it is cancelled if nobody waits for it for long."""
        self._work = work
        self._reaper = start(self._reap())

    async def write(self, data: bytes, *, last: bool = False) -> None:
        """Add output of a step to the log, without secrets.

        Args:
            data: the output.
            last: whether it is the end of what a program printed.
        """
        shown = self._mask.hide(data, last=last)
        if shown:
            await self.log.append(shown)

    def succeed(self) -> None:
        """End it."""
        self._end(common_pb2.GenericResult(status=_SUCCESS))

    def fail(self, reason: str) -> None:
        """End it; the reason is for the user."""
        self._end(common_pb2.GenericResult(status=_FAILURE, exception=reason, exitcode=1))

    def interrupt(self) -> None:
        """End it before it is done."""
        reason = "the build was interrupted: no client waited for it any more"
        self._end(common_pb2.GenericResult(status=_TERMINATED, exception=reason))

    def _end(self, result: common_pb2.GenericResult) -> None:
        if self.result is None:
            self.result = result
            self.log.close()
            self._leave()

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Somebody waits for it inside of the `with` block."""
        self._watchers += 1
        self._leave()
        try:
            yield
        finally:
            self._watchers -= 1
            if not self._watchers and self.result is None:
                self._reaper = start(self._reap())

    def _leave(self) -> None:
        """It has ended, or somebody waits for it."""
        if self._reaper is not None:
            self._reaper.cancel()
            self._reaper = None

    async def _reap(self) -> None:
        await self._clock.sleep(UNWATCHED)
        self._reaper = None  # which is this task: it must not cancel itself
        await self.cancel()

    async def cancel(self) -> None:
        """End it, and return when nothing of it is left."""
        self.interrupt()  # a full log, which nobody reads, takes what comes now
        if self._work is not None and not self._work.done():
            await cancel_and_wait(self._work)
