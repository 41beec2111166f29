"""A connection of a sandbox and the one that it leads to, as the gateway of the local engine."""

import asyncio

from pytest_sandbox._shared.network.faults import Disturbance
from pytest_sandbox.engine import Clock

from ..processes.connection import End

_CHUNK = 65536


class MemoryRelay:
    """Passes bytes on both ways, and what planned faults say.

    Args:
        inner: the end that faces the sandbox; owned.
        outer: the end that faces the other side; owned.
        clock: of the engine.
        disturbance: what planned faults do to it.

    Attributes:
        cut: whether a planned fault has reset it.
    """

    def __init__(
        self, inner: End, outer: End, clock: Clock, disturbance: Disturbance | None
    ) -> None:
        self._disturbance = disturbance
        self.cut = False
        self._inner, self._outer = inner, outer
        self._clock = clock
        self._passed = 0
        self._counts = [0, 0]
        self._over = False
        self._ways: asyncio.Future[tuple[None, None]] | None = None

    async def run(self) -> None:
        """Return when both sides have ended, or one has reset it."""
        if self.cut_at_limit():
            return
        self._ways = asyncio.gather(self._out(), self._in())
        try:
            await self._ways
        except ConnectionError:
            self.reset()
        except asyncio.CancelledError:
            if not self._over:
                raise
        finally:
            self._inner.close()
            self._outer.close()

    @property
    def disturbance(self) -> Disturbance | None:
        """What planned faults do to it."""
        return self._disturbance

    @property
    def ended(self) -> bool:
        """Whether the program has ended its side."""
        return self._inner.other is not None and self._inner.other.ended

    def disturb(self, disturbance: Disturbance | None) -> None:
        """Do what planned faults say from now on; of `None`, nothing."""
        self._disturbance = disturbance
        self.cut_at_limit()

    def take_counts(self) -> tuple[int, int]:
        """Bytes from the sandbox, and to it, since the last call."""
        sent, received = self._counts
        self._counts = [0, 0]
        return sent, received

    def reset(self) -> None:
        """End it; both sides see a reset."""
        self._inner.reset()
        self._outer.reset()
        self._stop()

    def cut_at_limit(self) -> bool:
        """End it if it has passed on as much as a planned fault lets it, which is still read."""
        limit = None if self.disturbance is None else self.disturbance.limit
        if limit is None or self._passed < limit:
            return False
        self.cut = True
        self._inner.reset_when_read()
        self._outer.reset()
        self._stop()
        return True

    def _stop(self) -> None:
        self._over = True
        if self._ways is not None:
            self._ways.cancel()

    async def _out(self) -> None:
        taken = True
        while data := await self._inner.read(_CHUNK):
            self._counts[0] += len(data)
            if taken:
                try:
                    await self._outer.write(data)
                except BrokenPipeError:  # closed, but what was sent before is still passed on
                    taken = False
        self._outer.end()

    async def _in(self) -> None:
        in_burst = False
        while data := await self._outer.read(_CHUNK):
            if not in_burst:
                await self._delay()
            limit = None if self.disturbance is None else self.disturbance.limit
            data = data if limit is None else data[: limit - self._passed]
            self._passed += len(data)
            await self._inner.write(data)
            self._counts[1] += len(data)
            if self.cut_at_limit():
                return
            in_burst = self._outer.ready
        if not in_burst:
            await self._delay()
        self._inner.end()

    async def _delay(self) -> None:
        if self.disturbance is not None and self.disturbance.delay:
            await self._clock.sleep(self.disturbance.delay)
