"""What a task used as a message, and back."""

from pytest_sandbox._proto import engine_pb2 as pb
from pytest_sandbox.engine import Usage


def usage_to_wire(usage: Usage) -> pb.UsageReply:
    """What a task used; what is not known is absent."""
    return pb.UsageReply(
        cpu_seconds=usage.cpu_seconds,
        peak_memory=usage.peak_memory,
        bytes_written=usage.bytes_written,
        peak_processes=usage.peak_processes,
        oom_kills=usage.oom_kills,
    )


def usage_from_wire(reply: pb.UsageReply) -> Usage:
    """What a task used; what is absent is not known."""
    has = reply.HasField
    return Usage(
        reply.cpu_seconds if has("cpu_seconds") else None,
        reply.peak_memory if has("peak_memory") else None,
        reply.bytes_written if has("bytes_written") else None,
        reply.peak_processes if has("peak_processes") else None,
        reply.oom_kills if has("oom_kills") else None,
    )
