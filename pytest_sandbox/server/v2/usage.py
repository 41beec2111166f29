"""What sandboxes used: figures of the engine, in the units of Modal's bills."""

from google.protobuf.timestamp_pb2 import Timestamp

from pytest_sandbox._proto import sandboxes_v2_pb2 as pb
from pytest_sandbox.engine import Usage

from ..model.state import State
from ..model.usage_samples import UsageSample
from ..rpc.call import ServedCall
from ..rpc.errors import invalid
from .sandbox_tokens import with_sandbox_token

_NANOSECONDS = 10**9
_GIB = 1024**3
#: Seconds from the year 10,000 on, which a `Timestamp` cannot hold.
_NO_TIME = 253_402_300_800
#: Of the distributions that Modal tells, in basis points.
_PERCENTILES = (5000, 9000, 9900)


class UsageServicer:
    """The RPCs behind `Sandbox._experimental_stats`; nothing costs anything here."""

    def __init__(self, state: State) -> None:
        self._state = state
        self.SandboxGetStatsV2 = with_sandbox_token(state, self.SandboxGetStats)

    async def SandboxGetResourceUsage(
        self, request: pb.SandboxGetResourceUsageRequest, call: ServedCall
    ) -> pb.SandboxGetResourceUsageResponse:
        """What a sandbox used so far, or until it ended."""
        sandbox = self._state.sandboxes.get(request.sandbox_id)
        used, seconds = await sandbox.usage(), sandbox.seconds
        gpu = sandbox.definition.resources.gpu_config
        return pb.SandboxGetResourceUsageResponse(
            cpu_core_nanosecs=int((used.cpu_seconds or 0) * _NANOSECONDS),
            mem_gib_nanosecs=int(_gib(used) * seconds * _NANOSECONDS),
            gpu_nanosecs=int(gpu.count * seconds * _NANOSECONDS) if gpu.gpu_type else 0,
            gpu_type=gpu.gpu_type or None,
        )

    async def SandboxGetStats(
        self, request: pb.SandboxGetStatsRequest, call: ServedCall
    ) -> pb.SandboxGetStatsResponse:
        """What a sandbox used in a span of time, by default its lifetime so far.

        There is a sample for each call, and one for the end.
        """
        sandbox = self._state.sandboxes.get(request.sandbox_id)
        looks = await sandbox.sampled()
        now = sandbox.clock.now()
        since = _seconds(request.since) if request.HasField("since") else sandbox.created_at
        until = _seconds(request.until) if request.HasField("until") else max(now, since)
        if since > until:
            raise invalid("since must be before until")
        samples = [each for each in looks if since <= each.time <= until]
        end = sandbox.finished_at or now
        seconds = max(0.0, min(until, end) - max(since, sandbox.created_at))
        cpu_seconds = sum(each.cpus * each.seconds for each in samples)
        asked = sandbox.definition.resources
        memory = max((each.memory for each in samples), default=0.0)
        response = pb.SandboxGetStatsResponse(
            num_datapoints=len(samples),
            duration_hours=seconds / 3600,
            billed_cpu_core_seconds=max(cpu_seconds, asked.milli_cpu / 1000 * seconds),
            billed_memory_gib_seconds=max(memory, asked.memory_mb / 1024) * seconds,
            since=_timestamp(since),
            until=_timestamp(until),
        )
        if samples:
            _tell(response, samples)
        return response


def _tell(response: pb.SandboxGetStatsResponse, samples: list[UsageSample]) -> None:
    for name, unit, stats, values in (
        ("CPU Usage (cores)", "cores", response.cpu_cores, [each.cpus for each in samples]),
        ("Memory Usage (GiB)", "GiB", response.memory_gib, [each.memory for each in samples]),
    ):
        values = sorted(values)
        percentiles = [
            pb.StatsPercentile(percentile_basis_points=points, value=_percentile(values, points))
            for points in _PERCENTILES
        ]
        stats.percentiles.extend(percentiles)
        stats.mean, stats.max = sum(values) / len(values), values[-1]
        distribution = response.percentile_stats[name]
        distribution.unit = unit
        distribution.percentiles.extend(percentiles)


def _percentile(values: list[float], points: int) -> float:
    return values[min(len(values) - 1, len(values) * points // 10000)]


def _gib(used: Usage) -> float:
    return (used.peak_memory or 0) / _GIB


def _seconds(time: Timestamp) -> float:
    if not 0 <= time.seconds < _NO_TIME:
        raise invalid(f"{time.seconds} seconds since 1970 is no time")
    return time.seconds + time.nanos / _NANOSECONDS


def _timestamp(seconds: float) -> Timestamp:
    return Timestamp(seconds=int(seconds), nanos=int(seconds % 1 * _NANOSECONDS))
