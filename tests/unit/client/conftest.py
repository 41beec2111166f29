"""A real engine for the tests of this folder, one for all of them; and stub servers."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest
from grpclib.server import Server

from pytest_sandbox._run import Run
from pytest_sandbox.client import Client, Sandbox
from pytest_sandbox.client.process import task_calls
from pytest_sandbox.client.transport import retries
from pytest_sandbox.client.transport.portal import portal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .stubs import Service


@pytest.fixture(scope="session")
def run() -> Iterator[Run]:
    """A run of its own, so that these tests do not depend on the plugin."""
    run = Run.create()
    yield run
    run.close()


@pytest.fixture(scope="session")
def client(run: Run) -> Iterator[Client]:
    client = Client(run.socket())
    yield client
    client.close()


@pytest.fixture(autouse=True)
def default_client(request: pytest.FixtureRequest) -> Iterator[None]:
    """Calls without a client use that of the run, in tests that have one."""
    if "client" not in request.fixturenames:
        yield
        return
    before = Client.set_default(request.getfixturevalue("client"))
    yield
    Client.set_default(before)


@pytest.fixture
def sandbox(client: Client) -> Iterator[Sandbox]:
    sandbox = Sandbox.create(client=client)
    yield sandbox
    sandbox.terminate()


@pytest.fixture
def sandboxes(client: Client) -> Iterator[Callable[..., Sandbox]]:
    """`Sandbox.create`, whose sandboxes end with the test."""
    with client.record() as ids:

        def create(*args: str, **spec: Any) -> Sandbox:
            return Sandbox.create(*args, client=client, **spec)

        yield create
    for sandbox_id in ids:
        Sandbox.from_id(sandbox_id, client).terminate()


@pytest.fixture(params=["blocking", "aio"])
def call(request: pytest.FixtureRequest) -> Callable[..., Any]:
    """Calls a function by either of its faces."""
    if request.param == "blocking":
        return lambda function, *args, **kwargs: function(*args, **kwargs)
    return lambda function, *args, **kwargs: asyncio.run(function.aio(*args, **kwargs))


@pytest.fixture(params=["blocking", "aio"])
def items(request: pytest.FixtureRequest) -> Callable[..., list[Any]]:
    """All that an iterator gives, by either of its faces."""
    if request.param == "blocking":
        return lambda function, *args, **kwargs: list(function(*args, **kwargs))

    def collect(function: Any, *args: Any, **kwargs: Any) -> list[Any]:
        async def gather() -> list[Any]:
            return [item async for item in function.aio(*args, **kwargs)]

        return asyncio.run(gather())

    return collect


@pytest.fixture
def serve() -> Iterator[Callable[..., Client]]:
    """Serves stub services on a Unix socket, and gives a client of them."""
    with ExitStack() as stack:
        folder = tempfile.mkdtemp()
        stack.callback(shutil.rmtree, folder)

        def start(*services: Service) -> Client:
            path = os.path.join(folder, "socket")
            server = portal().run(lambda: _started(services, path))
            client = Client(path)
            stack.callback(_stop, client, server)
            return client

        yield start


async def _started(services: tuple[Service, ...], path: str) -> Server:
    server = Server([service.servable() for service in services])
    await server.start(path=path)
    return server


def _stop(client: Client, server: Server) -> None:
    async def stop() -> None:
        server.close()
        await server.wait_closed()

    client.close()
    portal().run(stop)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let calls be repeated without a pause."""
    monkeypatch.setattr(retries.Backoff, "delay", lambda *_: 0.0)
    monkeypatch.setattr(task_calls, "_POLL", 0.0)
