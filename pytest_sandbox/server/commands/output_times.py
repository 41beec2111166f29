"""When the output of a process came."""

from bisect import bisect_right
from collections import deque
from collections.abc import Callable

from pytest_sandbox.engine import Clock, OutputLog

#: The most moments of one stream that are remembered, the newest.
MOMENTS = 10_000
#: Seconds; what comes within them counts as one moment.
RESOLUTION = 0.001


class OutputTimes:
    """When each byte of a stream came, to a millisecond.

    Args:
        log: the stream; what it holds by now counts as just come.
        clock: the engine's.
        grown: called when there is more of it.
    """

    def __init__(
        self, log: OutputLog, clock: Clock, grown: Callable[[], None] = lambda: None
    ) -> None:
        self._log = log
        self._clock = clock
        self._moments: deque[float] = deque(maxlen=MOMENTS)
        self._ends: deque[int] = deque(maxlen=MOMENTS)  # offsets just past the bytes of each moment
        self._tell = grown
        log.on_growth = self._grown
        if log.end:
            self._grown()

    def _grown(self) -> None:
        now = self._clock.now()
        if self._moments and now - self._moments[-1] < RESOLUTION:
            self._ends[-1] = self._log.end
        else:
            self._moments.append(now)
            self._ends.append(self._log.end)
        self._tell()

    def at(self, offset: int) -> float:
        """When the byte at an offset came, in seconds since the epoch."""
        return self._moments[bisect_right(self._ends, offset)]
