"""Statistics of a sandbox over a time, under Modal's names."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import TYPE_CHECKING

from pytest_sandbox._shared.lazy_dataclass import dataclass

if TYPE_CHECKING:
    from pytest_sandbox._proto import sandboxes_v2_pb2 as pb


@dataclass(frozen=True)
class StatsPercentile:
    """A percentile of a measured value.

    Attributes:
        percentile: which, such as 50 or 99.
        value: below it are that many in a hundred measurements.
    """

    percentile: float
    value: float


@dataclass(frozen=True)
class StatsPercentileDistribution:
    """Percentiles of a measured value.

    Attributes:
        unit: of the values.
        percentiles: in ascending order.
    """

    unit: str
    percentiles: list[StatsPercentile]


@dataclass(frozen=True)
class SandboxStats:
    """What a sandbox used over a time; `Sandbox.usage` tells more.

    Attributes:
        since: the beginning of that time.
        until: its end.
        duration: how long the sandbox ran in it.
        percentile_stats: processors and memory, as far as they were measured.
        cost: `None`: sandboxes cost nothing here.
        cost_by_resource: empty.
        billed_cpu_core_seconds: seconds of a processor.
        billed_memory_gib_seconds: GiB of memory, times seconds.
    """

    since: datetime
    until: datetime
    duration: timedelta
    percentile_stats: dict[str, StatsPercentileDistribution]
    cost: Decimal | None
    cost_by_resource: dict[str, Decimal]
    billed_cpu_core_seconds: float
    billed_memory_gib_seconds: float


def sandbox_stats(response: pb.SandboxGetStatsResponse) -> SandboxStats:
    """The statistics that a server gave."""
    return SandboxStats(
        since=response.since.ToDatetime(tzinfo=timezone.utc),
        until=response.until.ToDatetime(tzinfo=timezone.utc),
        duration=timedelta(hours=response.duration_hours),
        percentile_stats={
            name: StatsPercentileDistribution(
                told.unit,
                [
                    StatsPercentile(each.percentile_basis_points / 100, each.value)
                    for each in told.percentiles
                ],
            )
            for name, told in response.percentile_stats.items()
        },
        cost=Decimal(response.cost) if response.HasField("cost") else None,
        cost_by_resource={name: Decimal(cost) for name, cost in response.cost_by_resource.items()},
        billed_cpu_core_seconds=response.billed_cpu_core_seconds,
        billed_memory_gib_seconds=response.billed_memory_gib_seconds,
    )
