"""One run of the benchmarks: its engine, its results, and the check that nothing is left."""

from __future__ import annotations

import contextlib
import os
import platform
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from pytest_sandbox import Client
from pytest_sandbox._run import EngineProcess, EngineStartError, Run

from .processor_time import tree_cpu_seconds
from .samples import Baseline, Samples, own_cpu_seconds, percentile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType

#: Into how many blocks the cycles of a figure are divided: other things can run between two.
BLOCKS = 20


class Bench:
    """Starts an engine, collects results, and checks that nothing is left.

    Args:
        samples: how often each timing is repeated.
        live: how many sandboxes live at once in the crowd figure.
        turn: called before each block of cycles; it may wait.
        engine: which engine; some figures are about the local one, whatever this is.
    """

    def __init__(
        self,
        *,
        samples: int,
        live: int,
        turn: Callable[[], None] | None = None,
        engine: str = "local",
    ) -> None:
        self._engine = engine
        self.samples = samples
        self.live = live
        self.timings: list[dict[str, Any]] = []
        self.processor_times: list[dict[str, Any]] = []
        self.facts: list[dict[str, Any]] = []
        self.skipped: list[str] = []
        self.leftovers: list[str] = []
        #: The load shows whether the machine did something else.
        self.versions = {**versions(), "load before": f"{os.getloadavg()[0]:.1f}"}
        self._turn = turn
        self._baselines: list[Baseline] = []
        self._not_ours = 0.0  # processor seconds of reading processor times
        self._run = Run.create()
        self._server: EngineProcess | None = None

    def __enter__(self) -> Bench:
        self._server = self._run.start(self._engine)
        self._client = Client(self._server.socket)
        Client.set_default(self._client)
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
        assert self._server is not None
        capabilities: list[str] = self._server.engine["capabilities"]
        return capabilities

    def engine_pid(self) -> int:
        """The engine process."""
        assert self._server is not None
        return self._server.pid

    @contextlib.contextmanager
    def engine_without_spares(self) -> Iterator[None]:
        """Use another engine meanwhile, which makes no sandboxes ahead."""
        run = Run.create()
        try:
            server = run.start(self._engine, {"pool": "off"})
        except EngineStartError:  # another version, which does not know the option
            run.close()
            run = Run.create()
            server = run.start(self._engine)
        before, self._server = self._server, server
        client = Client(server.socket)
        client_before = Client.set_default(client)
        try:
            yield
        finally:
            self._server = before
            Client.set_default(client_before)
            client.close()
            run.close()

    def baseline(self) -> Baseline:
        """Timings of something without sandboxes; its processor time does not count as theirs."""
        self._baselines.append(Baseline())
        return self._baselines[-1]

    def cycles(self, name: str, most: int | None = None) -> Iterator[int]:
        """The numbers of the cycles of a figure, each of which takes a sample of everything.

        Args:
            name: what a cycle does, for the processor time of one.
            most: at most so many, where each is slow.
        """
        count = self.samples if most is None else min(most, self.samples)
        size = max(1, count // BLOCKS)
        seconds = before = 0.0
        for number in range(count):
            if number % size == 0:
                if self._turn is not None:
                    self._turn()
                now = self._cpu_seconds()
                if number:
                    seconds += now - before
                before = now
            yield number
        seconds += self._cpu_seconds() - before
        self.processor_times.append({"name": name, "n": count, "ms": seconds * 1000 / count})

    def _cpu_seconds(self) -> float:
        """That of this process, the engine and all that they started, but the baselines."""
        own = own_cpu_seconds()
        engine = 0.0 if self._server is None else tree_cpu_seconds(self._server.pid)
        total = own + engine - self._not_ours - sum(each.cpu_seconds for each in self._baselines)
        self._not_ours += own_cpu_seconds() - own
        return total

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
                "samples_ms": ours.totals,
            }
        )

    def fact(self, name: str, value: float | list[float], unit: str) -> None:
        """Add a figure that is not a timing: a value, or several, whose median counts."""
        values = value if isinstance(value, list) else [value]
        self.facts.append(
            {"name": name, "value": percentile(values, 0.50), "unit": unit, "values": values}
        )

    def skip(self, reason: str) -> None:
        """Note what cannot be measured here, and why."""
        self.skipped.append(reason)

    def tell_version(self, program: str, version: str) -> None:
        """Note the version of a program that figures depend on."""
        self.versions[program] = version

    def finish(self) -> None:
        """End the engine, and note what it left behind."""
        pid, directory = self.engine_pid(), self._run.directory
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
            "processor_times": self.processor_times,
            "facts": self.facts,
            "skipped": self.skipped,
            "left_behind": self.leftovers,
            "versions": self.versions,
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
