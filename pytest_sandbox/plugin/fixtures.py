"""The fixtures; what they do is imported once a test asks for one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytest_sandbox.client import Sandbox, SandboxNetwork
    from pytest_sandbox.inmemory import FakeSandboxes
    from pytest_sandbox.rpcs import Faults, NetworkFaults, Rpcs

    from .engine import SandboxEngine
    from .factory import SandboxFactory
    from .gpu.leased import LeasedGpus
    from .modal.server import ModalServer
    from .network_log import SandboxNetworkLog
    from .parity.match import Parity

__all__ = [
    "fake_sandboxes",
    "gpu",
    "modal_server",
    "parity",
    "sandbox",
    "sandbox_engine",
    "sandbox_factory",
    "sandbox_faults",
    "sandbox_network",
    "sandbox_network_faults",
    "sandbox_network_log",
    "sandbox_rpcs",
]

__tracebackhide__ = True  # a failing test shows its own lines, not these


@pytest.fixture(scope="session")
def sandbox_engine(pytestconfig: pytest.Config) -> SandboxEngine:
    """The engine in use: `name`, `mode`, `capabilities`, `client`, `socket`."""
    from .engine import ENGINE

    return pytestconfig.stash[ENGINE].engine()


@pytest.fixture
def sandbox(request: pytest.FixtureRequest) -> Sandbox:
    """A fresh sandbox, shaped by the `sandbox` marker; it ends with the test."""
    from .factory import new_sandbox

    return new_sandbox(request)


@pytest.fixture
def sandbox_factory(request: pytest.FixtureRequest) -> SandboxFactory:
    """Each call creates a sandbox; all of them end with the test."""
    from .factory import new_factory

    return new_factory(request)


@pytest.fixture
def fake_sandboxes(request: pytest.FixtureRequest) -> Iterator[FakeSandboxes | None]:
    """The engine in memory of this test: `on_exec`, `faults`, `clock`, `rpcs`, `filesystem`.

    While the fixture is in use, `Sandbox.create`, `sandbox` and `sandbox_factory` use this engine.
    At the end, the test fails if it broke one of the rules `pytest_sandbox.inmemory.RULES`.
    `None` where the marker `parametrize_engines` has the test on another engine.
    """
    from .fakes import fake_of_test

    yield from fake_of_test(request.node)


@pytest.fixture
def sandbox_rpcs(request: pytest.FixtureRequest) -> Rpcs:
    """The calls made during this test: `sandbox_rpcs.of("SandboxCreate").one()`."""
    from .calls import rpcs_of_test

    return rpcs_of_test(request)


@pytest.fixture
def sandbox_faults(request: pytest.FixtureRequest) -> Iterator[Faults]:
    """Faults of the calls of this test: `sandbox_faults.on("TaskExecStart", nth=2)...`.

    A fault that does not occur fails the test, unless it is `optional`.
    """
    from .calls import faults_of_test

    yield from faults_of_test(request)


@pytest.fixture
def sandbox_network_faults(request: pytest.FixtureRequest) -> Iterator[NetworkFaults]:
    """Faults of connections of sandboxes: `sandbox_network_faults.on("db.example").delay(0.2)`.

    A fault that affects no connection fails the test, unless it is `optional`.
    """
    from .calls import network_faults_of_test

    yield from network_faults_of_test(request)


@pytest.fixture
def sandbox_network() -> Callable[[], SandboxNetwork]:
    """Each call makes a network, for `sandbox_factory(network=net, alias="db")`."""
    from pytest_sandbox.client import SandboxNetwork

    return SandboxNetwork


@pytest.fixture
def sandbox_network_log(request: pytest.FixtureRequest) -> SandboxNetworkLog:
    """What the sandboxes of this test connected to: `connections()`."""
    from .network_log import log_of_test

    return log_of_test(request)


@pytest.fixture
def modal_server(request: pytest.FixtureRequest) -> Iterator[ModalServer]:
    """A server for the real `modal` client: `rpcs`, `faults`, `sandbox_ids`, `fake`.

    During the test, Modal's clients connect to it instead of the cloud: the `modal` of the test,
    blocking and `.aio`, and those of processes that the test starts. The sandboxes that they make
    end with the test.
    """
    from .modal.serving import server_of_test

    yield from server_of_test(request)


@pytest.fixture
def parity(request: pytest.FixtureRequest) -> Iterator[Parity]:
    """Compares values with those of the same test on other engines: `parity.match(name, value)`.

    For tests that are marked with `parametrize_engines`.
    """
    from .parity.match import parity_of_test

    yield from parity_of_test(request.node)


@pytest.fixture
def gpu(request: pytest.FixtureRequest) -> LeasedGpus:
    """The GPUs of this test, as the marker `gpu` asks for them; without one, any one."""
    from .gpu.leased import gpus_of_test

    return gpus_of_test(request.node)
