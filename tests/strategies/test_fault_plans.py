"""A client gets over every plan of transient faults, and over every other with an error."""

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from hypothesis import example, given, settings

from pytest_sandbox.client import Client, Sandbox, exceptions
from pytest_sandbox.engine import SystemClock
from pytest_sandbox.fakes import FakeEngine
from pytest_sandbox.rpcs import Faults
from pytest_sandbox.server.application import Application
from pytest_sandbox.server.rpc.auth import ListenerConfig
from pytest_sandbox.strategies import PlannedFault, fault_plans

# Faults make clients wait for a moment before they repeat a call.
calm = settings(deadline=None, max_examples=30, derandomize=True, database=None)


@asynccontextmanager
async def disturbed(plan: list[PlannedFault]) -> AsyncIterator[Client]:
    """A client of a server over an engine in memory, on which these things go wrong."""
    engine = FakeEngine(clock=SystemClock())
    app = Application(engine, await engine.start())
    faults = Faults(app.faults)
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "socket")
        server = app.server(ListenerConfig("unix", inspector=True, local=True))
        await server.start(path=path)
        client = Client(path)
        for fault in plan:
            fault.set_on(faults)
        try:
            yield client
        finally:
            await client.close.aio()
            server.close()
            await server.wait_closed()
            await app.close()


async def use(client: Client) -> list[str]:
    """What a test may do with a sandbox."""
    sandbox = await Sandbox.create.aio(client=client)
    seen = []
    for word in ("one", "two"):
        done = await sandbox.run.aio("sh", "-c", "echo ran >> /tmp/ran; cat", input=word)
        seen.append(done.stdout)
    seen.append((await sandbox.run.aio("cat", "/tmp/ran")).stdout)
    await sandbox.terminate.aio()
    await sandbox.wait.aio(raise_on_termination=False)
    return [*seen, str(sandbox.returncode)]


@calm
@example([PlannedFault("TaskExecStdioRead", retry_after=0.01)])
@example([PlannedFault("TaskExecStart", drop_response=True)])
@given(fault_plans())
def test_transient_faults_are_not_seen(plan: list[PlannedFault]) -> None:
    async def run() -> list[str]:
        async with disturbed(plan) as client:
            return await asyncio.wait_for(use(client), 60)

    assert asyncio.run(run()) == ["one", "two", "ran\nran\n", "137"]


@calm
@given(fault_plans(transient=False))
def test_other_faults_are_errors_that_are_documented(plan: list[PlannedFault]) -> None:
    async def run() -> str:
        async with disturbed(plan) as client:
            try:
                await asyncio.wait_for(use(client), 60)
            except exceptions.Error as error:
                return str(error)
            return ""

    told = asyncio.run(run())
    assert told == "" or any(fault.status and fault.status in told for fault in plan)
