"""Readiness probes: when they are tried, what they wait for, how waiting ends."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from grpclib import Status

from pytest_sandbox._proto import sandboxes_pb2 as pb
from pytest_sandbox.fakes import settle

from .harness import Created, Harness, refused

EXEC = {"exec_command": {"argv": ["test", "-e", "/tmp/ready"]}}


async def wait(server: Harness, sandbox: Created, timeout: float = 10) -> Any:
    request = pb.SandboxWaitUntilReadyTcrRequest(task_id=sandbox.task_id, timeout=timeout)
    return await server.router.SandboxWaitUntilReady(request, metadata=sandbox.auth)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("probe", "word"),
    [
        ({}, "neither a port nor a command"),
        ({"tcp_port": 0}, "0 is not a port"),
        ({"tcp_port": 65536}, "65536 is not a port"),
        ({"exec_command": {"argv": []}}, "is empty"),
        ({"tcp_port": 80, "interval_ms": 0}, "interval_ms"),
    ],
)
async def test_a_probe_that_makes_no_sense_is_refused(
    server: Harness, probe: dict[str, Any], word: str
) -> None:
    with refused(Status.INVALID_ARGUMENT, word):
        await server.create(readiness_probe=probe)
    assert not server.engine.tasks


@pytest.mark.asyncio
async def test_without_a_probe_there_is_nothing_to_wait_for(server: Harness) -> None:
    sandbox = await server.create()
    with refused(Status.FAILED_PRECONDITION, sandbox.id):
        await wait(server, sandbox)


@pytest.mark.asyncio
async def test_a_command_is_tried_until_it_succeeds(server: Harness) -> None:
    sandbox = await server.create(readiness_probe=EXEC)
    waiting = asyncio.ensure_future(wait(server, sandbox))
    await server.clock.advance(1)
    assert not waiting.done()
    await server.exec(sandbox, "touch", "/tmp/ready")
    await server.clock.advance(0.2)
    assert 0 <= server.clock.now() - (await waiting).ready_at <= 0.2
    tried = len(sandbox.task.processes)
    await server.clock.advance(10)
    assert len(sandbox.task.processes) == tried
    await wait(server, sandbox)


@pytest.mark.asyncio
async def test_the_interval_is_as_asked_for(server: Harness) -> None:
    sandbox = await server.create(readiness_probe={**EXEC, "interval_ms": 2000})
    await server.clock.advance(9)
    assert len(sandbox.task.processes) == 5


@pytest.mark.asyncio
async def test_when_it_takes_too_long_the_last_failure_is_told(server: Harness) -> None:
    sandbox = await server.create(readiness_probe=EXEC)
    waiting = asyncio.ensure_future(wait(server, sandbox, 5))
    await settle()
    await server.clock.advance(5)
    with refused(Status.DEADLINE_EXCEEDED, "after 5 s", "exec test -e /tmp/ready", "exit code 1"):
        await waiting


@pytest.mark.asyncio
@pytest.mark.parametrize("ready", [True, False])
async def test_a_sandbox_that_has_ended_is_not_ready(server: Harness, ready: bool) -> None:
    sandbox = await server.create(readiness_probe=EXEC)
    if ready:
        await server.exec(sandbox, "touch", "/tmp/ready")
        await server.clock.advance(0.2)
        await wait(server, sandbox)
    waiting = asyncio.ensure_future(wait(server, sandbox)) if not ready else None
    await settle()
    await server.terminate(sandbox)
    with refused(Status.FAILED_PRECONDITION, "has ended: it was terminated"):
        await (waiting or wait(server, sandbox))


@pytest.mark.asyncio
async def test_attempts_are_no_activity(server: Harness) -> None:
    sandbox = await server.create(readiness_probe=EXEC, idle_timeout_secs=10)
    await server.clock.advance(10)
    assert server.app.state.sandboxes.get(sandbox.id).result is not None


@pytest.mark.asyncio
async def test_attempts_are_not_commands_of_the_sandbox(server: Harness) -> None:
    sandbox = await server.create(readiness_probe=EXEC)
    await server.clock.advance(1)
    assert not server.app.state.sandboxes.get(sandbox.id).commands.started
