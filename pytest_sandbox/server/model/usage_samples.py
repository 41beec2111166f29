"""What a sandbox used, from one look at it to the next."""

from collections import deque

from pytest_sandbox._shared.lazy_dataclass import dataclass
from pytest_sandbox.engine import Usage

#: The most samples of one sandbox; then the oldest go.
_MOST = 1000
_GIB = 1024**3


@dataclass(frozen=True)
class UsageSample:
    """A look at a sandbox.

    Attributes:
        time: when, in seconds since the Unix epoch.
        seconds: since the one before, or since the sandbox began.
        cpus: processors that it used on average since then.
        memory: GiB that it used at most so far.
    """

    time: float
    seconds: float
    cpus: float
    memory: float


class UsageSamples:
    """The samples of one sandbox.

    Args:
        began: when the sandbox did, in seconds since the Unix epoch.
    """

    def __init__(self, began: float) -> None:
        self._last = began
        self._cpu_seconds = 0.0
        self._samples: deque[UsageSample] = deque(maxlen=_MOST)

    def add(self, time: float, used: Usage) -> None:
        """Add a look; one at the same time as the last tells nothing.

        Args:
            time: when, in seconds since the Unix epoch.
            used: all that was used so far.
        """
        seconds = time - self._last
        if seconds <= 0:
            return
        cpu_seconds = used.cpu_seconds or 0.0
        cpus = max(0.0, cpu_seconds - self._cpu_seconds) / seconds
        self._samples.append(UsageSample(time, seconds, cpus, (used.peak_memory or 0) / _GIB))
        self._last, self._cpu_seconds = time, cpu_seconds

    def all(self) -> list[UsageSample]:
        """Those that there are, the oldest first."""
        return list(self._samples)
