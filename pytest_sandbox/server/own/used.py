"""What a sandbox used, as a message of the wire."""

from pytest_sandbox._proto.extensions_pb2 import SandboxUsageResponse
from pytest_sandbox.engine import Usage


def used(usage: Usage) -> SandboxUsageResponse:
    """The figures; what is not known is absent."""
    return SandboxUsageResponse(
        cpu_seconds=usage.cpu_seconds,
        peak_memory=usage.peak_memory,
        bytes_written=usage.bytes_written,
        peak_processes=usage.peak_processes,
        oom_kills=usage.oom_kills,
    )
