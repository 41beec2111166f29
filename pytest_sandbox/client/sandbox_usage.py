"""What a sandbox used of the machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_sandbox._shared.lazy_dataclass import dataclass

if TYPE_CHECKING:
    from typing_extensions import Self

    from pytest_sandbox._proto.extensions_pb2 import SandboxUsageResponse


@dataclass(frozen=True)
class SandboxUsage:
    """What a sandbox used so far, or until it ended; see `Sandbox.usage`.

    A figure is `None` where the machine does not say: the peaks need cgroups.

    Attributes:
        cpu_seconds: time on processors, of all its processes together.
        peak_memory: bytes that it had at most at one time. Files that it wrote are among them,
            where the engine has these in memory.
        bytes_written: what its processes, and work on its files, passed to `write(2)` and its like:
            to files, pipes, sockets and terminals.
        peak_processes: processes and threads that it had at most at one time.
        oom_kills: how many of its processes were killed because it used too much memory.
    """

    cpu_seconds: float | None
    peak_memory: int | None
    bytes_written: int | None
    peak_processes: int | None
    oom_kills: int | None

    @classmethod
    def of(cls, response: SandboxUsageResponse) -> Self:
        """What a server tells."""
        return cls(
            response.cpu_seconds if response.HasField("cpu_seconds") else None,
            response.peak_memory if response.HasField("peak_memory") else None,
            response.bytes_written if response.HasField("bytes_written") else None,
            response.peak_processes if response.HasField("peak_processes") else None,
            response.oom_kills if response.HasField("oom_kills") else None,
        )
