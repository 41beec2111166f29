"""The engine of a run: started by the first test that wants a sandbox, gone with the run."""

from __future__ import annotations

import contextlib
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from pytest_sandbox import _run

from . import modules
from .options import settings
from .report import hidden_values

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pytest_sandbox.client import Client

#: Where a worker of pytest-xdist finds the run of its controller.
_WORKER_INPUT = "pytest_sandbox_run"
_APP = "pytest-sandbox"


@dataclass(frozen=True)
class SandboxEngine:
    """The engine in use, as the fixture `sandbox_engine` gives it.

    Attributes:
        name: `"local"` or `"fake"`.
        mode: how it isolates on this machine.
        capabilities: what it can do here, `"memory limit"`, `"pty"`, ...
        details: more for people to read, name to value.
        client: the default client of this run.
        socket: the path of the Unix socket that the engine serves on; empty for one in memory.
    """

    name: str
    mode: str
    capabilities: frozenset[str]
    details: Mapping[str, str]
    client: Client
    socket: str


class EngineSession:
    """The run, its engine and its client, each made when it is first needed.

    Attributes:
        created: the ids of all sandboxes that the client created, in that order.
    """

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._worker: dict[str, str] | None = getattr(config, "workerinput", None)
        self._run: _run.Run | None = None
        self._engine: SandboxEngine | None = None
        self._mutex = threading.Lock()  # a test may have threads
        self._outer = _run.default_client
        self._recording = contextlib.ExitStack()
        self.created: list[str] = []
        _run.default_client = self.client

    def run(self) -> _run.Run:
        """The run of this process, or of its controller."""
        if self._run is None:
            if self._worker is not None and _WORKER_INPUT in self._worker:
                self._run = _run.Run.attach(self._worker[_WORKER_INPUT])
            else:
                self._run = _run.Run.create()
        return self._run

    def engine(self) -> SandboxEngine:
        """The engine, started if need be.

        Raises:
            EngineStartError: it cannot be started, or it is gone.
        """
        with self._mutex:
            if settings(self._config).engine == "fake":
                return self._in_memory()
            asked = settings(self._config)
            server = self.run().start(asked.engine, asked.engine_options)
            if self._engine is None:
                self._engine = SandboxEngine(
                    name=server.engine["name"],
                    mode=server.engine["mode"],
                    capabilities=frozenset(server.engine["capabilities"]),
                    details=server.engine["details"],
                    client=self._connect(server.socket),
                    socket=server.socket,
                )
            return self._engine

    def _in_memory(self) -> SandboxEngine:
        """One for what is wider than a test; each test has its own."""
        if self._engine is None:
            from pytest_sandbox.inmemory import FakeSandboxes

            fake = FakeSandboxes(seed=_app(self.worker))
            self._recording.callback(fake.close)
            self.created = self._recording.enter_context(fake.client.record())
            self._engine = SandboxEngine(
                name=fake.info.name,
                mode=fake.info.mode,
                capabilities=frozenset(each.value for each in fake.info.capabilities),
                details=fake.info.details,
                client=fake.client,
                socket="",
            )
        return self._engine

    def client(self) -> Client:
        """The client of the engine; what `Sandbox.create` uses by default."""
        return self.engine().client

    @contextlib.contextmanager
    def outside_of_tests(self) -> Iterator[None]:
        """Let the default client be that of the run, though the test has an engine of its own."""
        if settings(self._config).engine != "fake":
            yield
            return
        from pytest_sandbox.client import Client

        # Said now, not looked for in a thread: while that works, time would skip.
        inner = Client.set_default(self.client())
        try:
            yield
        finally:
            Client.set_default(inner)

    @property
    def connected(self) -> Client | None:
        """The client, if any was needed so far; the engine may be gone meanwhile."""
        return self._engine.client if self._engine is not None else None

    @property
    def hidden(self) -> list[str]:
        """What a report must not show: the values of the secrets that were used."""
        return hidden_values(self._engine.client.secret_values) if self._engine else []

    def end_worker(self, worker: str) -> None:
        """End what a worker of pytest-xdist that crashed cannot end any more."""
        if self.run().started:
            self.client().batch_of_app(_app(worker)).terminate()

    def hand_over(self, workerinput: dict[str, str]) -> None:
        """Let a worker of pytest-xdist share the run."""
        workerinput[_WORKER_INPUT] = str(self.run().directory)

    def close(self) -> None:
        """End the engine, if this process owns it, and wait until it is gone."""
        _run.default_client = self._outer
        if self._engine is not None:
            self._recording.close()
            self._engine.client.close()
        if self._run is not None:
            self._run.close()

    @property
    def worker(self) -> str:
        """Which worker of pytest-xdist this is; empty without."""
        return (self._worker or {}).get("workerid", "")

    def _connect(self, socket: str) -> Client:
        from pytest_sandbox.client import Client

        client = Client(socket, app_name=_app(self.worker))
        self.created = self._recording.enter_context(client.record())
        return client


def _app(worker: str) -> str:
    return f"{_APP}-{worker}" if worker else _APP


ENGINE = pytest.StashKey[EngineSession]()


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Be ready to start an engine."""
    modules.give_back()
    config.stash[ENGINE] = EngineSession(config)


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    """End the engine after everything else."""
    config.stash[ENGINE].close()
    modules.keep()


@pytest.fixture(scope="session")
def sandbox_engine(pytestconfig: pytest.Config) -> SandboxEngine:
    """The engine in use: `name`, `mode`, `capabilities`, `client`, `socket`."""
    return pytestconfig.stash[ENGINE].engine()
