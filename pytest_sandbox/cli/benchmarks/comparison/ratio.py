"""The ratio of two measurements that took turns, and how sure it is.

The rounds of the two are pairs. The logarithms of their ratios are put to Wilcoxon's signed-rank
test: the ratio is the median of the averages of any two of them (Hodges and Lehmann), and the
interval has those ratios that the test does not reject. It assumes nothing of how times are
distributed, only that without a difference either of a pair may be the longer one, which holds
because their order changes from pair to pair.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

#: How often an interval has the true ratio.
CONFIDENCE = 0.99
#: Differences up to this can come from where a process happens to have its memory.
LEAST = 0.02


@dataclass(frozen=True)
class Ratio:
    """This version's figure divided by the other's.

    Attributes:
        value: the estimate.
        low: the least ratio that the measurements allow, `None` if they are too few to say.
        high: the greatest one.
    """

    value: float
    low: float | None = None
    high: float | None = None

    @property
    def differs(self) -> bool | None:
        """Whether the difference is beyond noise; `None` if the measurements are too few."""
        if self.low is None or self.high is None:
            return None
        return abs(self.value - 1) > LEAST and not self.low <= 1 <= self.high


def ratio(this: Sequence[float], other: Sequence[float]) -> Ratio | None:
    """The ratio of two series of rounds, each round of one taken beside that of the other.

    Args:
        this: a value of each round, such as the median of its times.
        other: those of the other; what one has more is left out.

    Returns:
        The ratio, or `None` where there is none, as of zeros.
    """
    pairs = list(zip(this, other, strict=False))
    if not pairs or any(one <= 0 or two <= 0 for one, two in pairs):
        return None
    logs = [math.log(one / two) for one, two in pairs]
    averages = sorted(
        (one + two) / 2 for number, one in enumerate(logs) for two in logs[: number + 1]
    )
    value = math.exp((averages[(len(averages) - 1) // 2] + averages[len(averages) // 2]) / 2)
    rank = _rejected(len(logs))
    if rank == 0:
        return Ratio(value)
    return Ratio(value, math.exp(averages[rank - 1]), math.exp(averages[-rank]))


def _rejected(count: int) -> int:
    """How many of the averages, at each end, are beyond the interval or its end; 0 is too few.

    The signed-rank statistic of so many pairs is the sum of a random subset of 1, 2, ... `count`.
    """
    ways = [1]
    for rank in range(1, count + 1):
        ways = [
            (ways[total] if total < len(ways) else 0) + (ways[total - rank] if total >= rank else 0)
            for total in range(len(ways) + rank)
        ]
    allowed = (1 - CONFIDENCE) / 2 * 2**count
    rejected = tail = 0
    while tail + ways[rejected] <= allowed:
        tail += ways[rejected]
        rejected += 1
    return rejected
