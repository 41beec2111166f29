"""Timings and their percentiles."""

import math
import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


def percentile(values: list[float], share: float) -> float:
    """The smallest value that `share` (0 to 1) of the values do not exceed (nearest rank)."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


@dataclass
class Samples:
    """Repeated timings of one operation and of its steps, in milliseconds."""

    totals: list[float] = field(default_factory=list)
    steps: dict[str, list[float]] = field(default_factory=dict)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Time one step of the sample under way."""
        started = time.perf_counter()
        yield
        self.steps.setdefault(name, []).append((time.perf_counter() - started) * 1000)

    @contextmanager
    def sample(self) -> Iterator[None]:
        """Time one whole sample."""
        started = time.perf_counter()
        yield
        self.totals.append((time.perf_counter() - started) * 1000)

    @property
    def p50(self) -> float:
        """The median, in milliseconds."""
        return percentile(self.totals, 0.50)

    def longest_step(self) -> tuple[str, float] | None:
        """The step with the greatest median, and that median in milliseconds."""
        medians = {name: percentile(values, 0.50) for name, values in self.steps.items()}
        return max(medians.items(), key=lambda item: item[1], default=None)


@dataclass
class Baseline(Samples):
    """Timings of what this process does without sandboxes, to compare with.

    Attributes:
        cpu_seconds: processor time that it took, which is none of the sandboxes'.
    """

    cpu_seconds: float = 0.0

    @contextmanager
    def sample(self) -> Iterator[None]:
        """Time one whole sample."""
        before = own_cpu_seconds()
        with super().sample():
            yield
        self.cpu_seconds += own_cpu_seconds() - before


def own_cpu_seconds() -> float:
    """Processor time of this process and of its children that have ended."""
    usages = (resource.getrusage(of) for of in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)
