"""Time as an object, so that an engine in memory can run it faster than the wall clock."""

import asyncio
from abc import abstractmethod
from typing import TYPE_CHECKING, Protocol

from . import real

if TYPE_CHECKING:
    from collections.abc import Callable


class Clock(Protocol):
    """Where the client, the server and an engine take the time from."""

    @abstractmethod
    def now(self) -> float:
        """Seconds since the Unix epoch; what users see."""

    @abstractmethod
    def monotonic(self) -> float:
        """Seconds since an arbitrary point; never steps backwards; for deadlines."""

    @abstractmethod
    async def sleep(self, seconds: float) -> None:
        """Return once `seconds` have passed on this clock."""

    @abstractmethod
    def later(self, seconds: float, function: "Callable[[], object]") -> "Callable[[], object]":
        """Call a function on the running event loop once `seconds` have passed on this clock.

        Returns:
            undoes that, as long as the function was not called.
        """


class SystemClock(Clock):
    """The clock of the machine."""

    def now(self) -> float:
        """Seconds since the Unix epoch."""
        return real.now()

    def monotonic(self) -> float:
        """Seconds on the monotonic clock of the machine."""
        return real.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Sleep on the running event loop."""
        await asyncio.sleep(seconds)

    def later(self, seconds: float, function: "Callable[[], object]") -> "Callable[[], object]":
        """Call a function on the running event loop once `seconds` have passed."""
        return asyncio.get_running_loop().call_later(seconds, function).cancel
