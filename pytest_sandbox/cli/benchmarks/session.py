"""One run of the benchmarks: its engine, its results, and the check that nothing is left."""

from __future__ import annotations

import os
import platform
import time
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from pytest_sandbox import Client
from pytest_sandbox._run import Run

from .samples import Samples, percentile

if TYPE_CHECKING:
    from types import TracebackType


class Bench:
    """Starts an engine, collects results, and checks that nothing is left.

    Args:
        samples: how often each timing is repeated.
        live: how many sandboxes live at once in the crowd figure.
    """

    def __init__(self, *, samples: int, live: int) -> None:
        self.samples = samples
        self.live = live
        self.timings: list[dict[str, Any]] = []
        self.facts: list[dict[str, Any]] = []
        self.skipped: list[str] = []
        self.leftovers: list[str] = []
        self._run = Run.create()

    def __enter__(self) -> Bench:
        started = time.perf_counter()
        self._server = self._run.start("local")
        self._client = Client(self._server.socket)
        Client.set_default(self._client)
        self.fact("engine start", (time.perf_counter() - started) * 1000, "ms")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._run.close()

    @property
    def capabilities(self) -> list[str]:
        """What the engine can do here."""
        capabilities: list[str] = self._server.engine["capabilities"]
        return capabilities

    def engine_pid(self) -> int:
        """The engine process."""
        return self._server.pid

    def timing(self, name: str, ours: Samples, baseline_name: str, baseline: Samples) -> None:
        """Add a timing and the baseline that was taken beside it."""
        longest = ours.longest_step()
        self.timings.append(
            {
                "name": name,
                "n": len(ours.totals),
                "p50_ms": ours.p50,
                "p95_ms": percentile(ours.totals, 0.95),
                "p99_ms": percentile(ours.totals, 0.99),
                "longest_step": longest and {"name": longest[0], "p50_ms": longest[1]},
                "baseline": baseline_name,
                "baseline_p50_ms": baseline.p50,
                "ratio": ours.p50 / baseline.p50,
            }
        )

    def fact(self, name: str, value: float, unit: str) -> None:
        """Add a figure that is not a timing."""
        self.facts.append({"name": name, "value": value, "unit": unit})

    def skip(self, reason: str) -> None:
        """Note what cannot be measured here, and why."""
        self.skipped.append(reason)

    def finish(self) -> None:
        """End the engine, and note what it left behind."""
        pid, directory = self._server.pid, self._run.directory
        self._client.close()
        self._run.close()
        if os.path.exists(f"/proc/{pid}"):
            self.leftovers.append(f"process {pid}")
        if os.path.exists(directory):
            self.leftovers.append(f"directory {directory}")

    def as_json(self) -> dict[str, Any]:
        """All results, for programs."""
        return {
            "timings": self.timings,
            "facts": self.facts,
            "skipped": self.skipped,
            "left_behind": self.leftovers,
            "versions": versions(),
        }


def versions() -> dict[str, str]:
    """The versions that the figures depend on."""
    packages = ("pytest-sandbox", "pytest", "grpclib", "protobuf")
    return {
        "python": platform.python_version(),
        **{name: version(name) for name in packages},
        "kernel": platform.release(),
        "machine": f"{platform.machine()}, {os.cpu_count()} processors",
    }
