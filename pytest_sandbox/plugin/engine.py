"""The engine of a run: started for the first test that needs a sandbox, ended with the run."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING

import pytest

from pytest_sandbox import _run
from pytest_sandbox._shared.engine_options import CLOUD_ENGINE, ISOLATION
from pytest_sandbox._shared.lazy_dataclass import dataclass
from pytest_sandbox._shared.real import real_files

from .options import chosen_engine, settings, settings_for

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pytest_sandbox.client import Client

    from .options import Settings

#: The key, in what pytest-xdist sends to a worker, of the controller's run directory.
_WORKER_INPUT = "pytest_sandbox_run"


@dataclass(frozen=True)
class SandboxEngine:
    """The engine in use, as the fixture `sandbox_engine` gives it.

    Attributes:
        name: `"local"` or `"fake"`.
        mode: how it isolates sandboxes on this machine.
        capabilities: what it can do here: `"memory limit"`, `"pty"`, ...
        details: further information for people to read, name to value.
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
    """The run, its engine and its client, each created when it is first needed.

    Args:
        config: pytest's.
        other: the name of an engine that is not that of the run, but of tests that are marked with
            `parametrize_engines`. Each worker of pytest-xdist has one of its own.

    Attributes:
        created: the ids of all sandboxes that the client created, the oldest first.
        is_default: whether a test uses it instead of the engine of the run.
    """

    def __init__(self, config: pytest.Config, other: str = "") -> None:
        self._config = config
        self._other = other
        self._others: dict[str, EngineSession] = {}
        self._worker: dict[str, str] | None = getattr(config, "workerinput", None)
        self._run: _run.Run | None = None
        self._engine: SandboxEngine | None = None
        self._mutex = threading.Lock()  # a test may have threads
        self._announced: _run.Announcement | None = None
        self._recording = contextlib.ExitStack()
        self._reported: dict[str, str] = {}
        self.created: list[str] = []
        self.is_default = False

    @property
    def asked(self) -> Settings:
        """The settings that it has."""
        if self._other:
            return settings_for(self._config, self._other)
        return settings(self._config)

    def with_engine(self, name: str) -> EngineSession:
        """The session of an engine; this one, if that is its engine, or one in memory of a test."""
        if name in ("fake", self.asked.engine):
            return self
        if name not in self._others:
            self._others[name] = EngineSession(self._config, name)
        return self._others[name]

    def run(self) -> _run.Run:
        """The run of this process, or of its controller."""
        if self._run is None:
            if self._worker and _WORKER_INPUT in self._worker and not self._other:
                self._run = _run.Run.attach(self._worker[_WORKER_INPUT])
            else:
                self._run = _run.Run.create()
            asked = self.asked
            if asked.engine != "fake" and not self._other:
                self._run.announce(asked.engine, asked.engine_options)
        return self._run

    def announce(self) -> None:
        """Let processes that tests start find the run, whether or not it has an engine yet."""
        if settings(self._config).engine == "fake":
            self._announced = _run.Announcement.in_memory()
            return
        # An error here is raised again once a test needs a sandbox.
        with contextlib.suppress(_run.EngineStartError, OSError):
            self.run()

    def engine(self) -> SandboxEngine:
        """The engine, which the first call starts.

        Raises:
            EngineStartError: it cannot be started, or it died.
        """
        with self._mutex:
            asked = self.asked
            if asked.engine == "fake":
                return self._in_memory()
            if asked.engine == CLOUD_ENGINE:
                self._before_cloud_call()
            if self._engine is None:
                self._import_client()
            server = self.run().start(asked.engine, asked.engine_options)
            if self._engine is None:
                self._engine = SandboxEngine(
                    name=server.engine["name"],
                    mode=server.engine["mode"],
                    capabilities=frozenset(server.engine["capabilities"]),
                    details=server.engine["details"],
                    client=self._connect(server.socket, server.engine["name"]),
                    socket=server.socket,
                )
            return self._engine

    def _before_cloud_call(self) -> None:
        """Refuse a test that must not reach Modal's cloud."""
        from .in_cloud.watch import watch_of  # late: few runs are in the cloud

        watch_of(self._config).call()

    def start_soon(self) -> None:
        """Start the engine and return, if it is another process; `engine` raises what is wrong."""
        asked = self.asked
        if asked.engine != "fake":
            with contextlib.suppress(_run.EngineStartError, OSError):
                self.run().start_soon(asked.engine, asked.engine_options)

    def wait_for_start(self) -> None:
        """Return when no engine is starting."""
        if self._run is not None:
            self._run.wait_for_start()

    @real_files()  # which modules keep that are imported now
    def _import_client(self) -> None:
        """Import the client, while the engine starts."""
        self.start_soon()
        from pytest_sandbox.client import Client, Sandbox  # noqa: F401  # the first to be used

        self.wait_for_start()

    def _in_memory(self) -> SandboxEngine:
        """The engine for fixtures of wider scope than a test; each test has its own."""
        if self._engine is None:
            with real_files():
                from pytest_sandbox.inmemory import FakeSandboxes

            fake = FakeSandboxes(seed=_run.app_name(self.worker))
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
        """The client of the engine, which `Sandbox.create` uses by default."""
        return self.engine().client

    @contextlib.contextmanager
    def in_use(self) -> Iterator[None]:
        """Have `Sandbox.create` use the client, and new processes find the run, during a test."""
        from pytest_sandbox.client import Client

        outer = Client.set_default(self.client())
        self.run().announce(self.asked.engine, self.asked.engine_options)
        self.is_default = True
        try:
            yield
        finally:
            self.is_default = False
            self.run().conceal()
            Client.set_default(outer)

    @contextlib.contextmanager
    def outside_of_tests(self, of_test: EngineSession | None = None) -> Iterator[None]:
        """Make the run's client the default one, though the test has an engine of its own.

        Args:
            of_test: the session of the test, if that may be another one.
        """
        if of_test is not None and of_test.is_default:
            from pytest_sandbox.client import Client

            inner = Client.set_default(None)  # back to the run's, which may not have started
            try:
                yield
            finally:
                Client.set_default(inner)
            return
        if settings(self._config).engine != "fake":
            yield
            return
        from pytest_sandbox.client import Client

        # Set, and not found by the client itself: it would do that in a thread, and the virtual
        # clock of the test skips ahead while the event loop waits for a thread.
        inner = Client.set_default(self.client())
        try:
            yield
        finally:
            Client.set_default(inner)

    @property
    def connected(self) -> Client | None:
        """The client if it was needed before; its engine may have died since."""
        return self._engine.client if self._engine is not None else None

    @property
    def not_isolated(self) -> str:
        """What an engine that was needed before says of itself if it does not isolate."""
        if self._engine is None or ISOLATION in self._engine.capabilities:
            return ""
        return f"{self._engine.name}: {self._engine.details.get(ISOLATION, self._engine.mode)}"

    @property
    def hidden(self) -> list[str]:
        """The values of secrets, which a report must not show."""
        from .reports.report import hidden_values  # late: only reports of failures have any

        return hidden_values(self._engine.client.secret_values) if self._engine else []

    def end_worker(self, worker: str) -> None:
        """End the sandboxes of a worker of pytest-xdist that crashed."""
        if self.run().started:
            self.client().batch_of_app(_run.app_name(worker)).terminate()

    def first_to_report(self, error: _run.EngineStartError, place: str) -> str:
        """Where this error was first reported in this run: perhaps by another worker."""
        try:
            return self.run().first_to_report(error, place)
        except _run.EngineStartError:  # there is no run, and this is the reason
            return self._reported.setdefault(error.remedy, place)

    def hand_over(self, workerinput: dict[str, str]) -> None:
        """Pass the run to a worker of pytest-xdist."""
        workerinput[_WORKER_INPUT] = str(self.run().directory)

    def close(self) -> None:
        """End the engine if this process owns it, and wait until it is gone."""
        for other in self._others.values():
            other.close()
        if self._announced is not None:
            self._announced.end()
        if self._engine is not None:
            self._recording.close()
            self._engine.client.close()
        if self._run is not None:
            self._run.close()

    @property
    def worker(self) -> str:
        """The id of this worker of pytest-xdist; empty without it."""
        return (self._worker or {}).get("workerid", "")

    def _connect(self, socket: str, engine: str) -> Client:
        from pytest_sandbox.client import Client

        client = Client(socket, app_name=_run.app_name(self.worker), engine=engine)
        if engine == CLOUD_ENGINE:
            client.channels.before_call = self._before_cloud_call
        self.created = self._recording.enter_context(client.record())
        return client


ENGINE = pytest.StashKey[EngineSession]()


def session_of(item: pytest.Item) -> EngineSession:
    """The session of the engine that a test uses."""
    session, chosen = item.config.stash[ENGINE], chosen_engine(item)
    return session.with_engine(chosen) if chosen else session


def pytest_configure(config: pytest.Config) -> None:
    """Create the session, which starts no engine yet."""
    config.stash[ENGINE] = EngineSession(config)
