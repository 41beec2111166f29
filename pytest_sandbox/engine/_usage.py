"""What a task used of the machine."""

from __future__ import annotations

from typing import TypeVar

from pytest_sandbox._shared.lazy_dataclass import dataclass

N = TypeVar("N", int, float)


@dataclass(frozen=True)
class Usage:
    """What a task used so far; `None` where that is not known here.

    Attributes:
        cpu_seconds: time on processors, of all its processes together.
        peak_memory: bytes that it had at most at one time, files that are in memory among them.
        bytes_written: passed to `write(2)` and its like: to files, pipes, sockets and terminals.
        peak_processes: processes and threads that it had at most at one time.
        oom_kills: how many of its processes were killed because it used too much memory.
    """

    cpu_seconds: float | None = None
    peak_memory: int | None = None
    bytes_written: int | None = None
    peak_processes: int | None = None
    oom_kills: int | None = None

    def followed_by(self, later: Usage) -> Usage:
        """What two tasks used, one after the other."""
        return Usage(
            _both(self.cpu_seconds, later.cpu_seconds),
            _higher(self.peak_memory, later.peak_memory),
            _both(self.bytes_written, later.bytes_written),
            _higher(self.peak_processes, later.peak_processes),
            _both(self.oom_kills, later.oom_kills),
        )


def _both(one: N | None, other: N | None) -> N | None:
    return None if one is None or other is None else one + other


def _higher(one: int | None, other: int | None) -> int | None:
    return None if one is None or other is None else max(one, other)
