"""Time-outs, on a clock that only the test moves."""

import asyncio

import pytest
from grpclib import Status

from pytest_sandbox._proto import common_pb2, containers_pb2, sandboxes_pb2
from pytest_sandbox.fakes import settle
from pytest_sandbox.server.model import retention
from pytest_sandbox.server.model import sandboxes as sandboxes_module

from .harness import Created, Harness, refused, serve

Result = common_pb2.GenericResult


@pytest.mark.asyncio
async def test_a_sandbox_ends_when_its_time_is_up_and_not_before(server: Harness) -> None:
    sandbox = await server.create("hang", timeout_secs=60)
    await server.clock.advance(59)
    assert not (await server.wait(sandbox)).status
    await server.clock.advance(1)
    result = await server.wait(sandbox)
    assert (result.status, result.exitcode) == (Result.GENERIC_STATUS_TIMEOUT, 124)


@pytest.mark.asyncio
async def test_no_timeout_means_five_minutes(server: Harness) -> None:
    sandbox = await server.create("hang")
    await server.clock.advance(299)
    assert not (await server.wait(sandbox)).status
    await server.clock.advance(1)
    assert (await server.wait(sandbox)).status == Result.GENERIC_STATUS_TIMEOUT


@pytest.mark.asyncio
async def test_an_idle_sandbox_ends(server: Harness) -> None:
    sandbox = await server.create("hang", timeout_secs=600, idle_timeout_secs=10)
    await server.clock.advance(10)
    assert (await server.wait(sandbox)).status == Result.GENERIC_STATUS_IDLE_TIMEOUT


@pytest.mark.asyncio
async def test_a_command_keeps_a_sandbox_from_being_idle(server: Harness) -> None:
    sandbox = await server.create(timeout_secs=600, idle_timeout_secs=10)
    exec_id = await server.exec(sandbox, "cat")
    await server.clock.advance(100)
    assert not (await server.wait(sandbox)).status
    await server.write(sandbox, exec_id, b"", eof=True)
    await server.code(sandbox, exec_id)
    await server.clock.advance(9)
    assert not (await server.wait(sandbox)).status
    await server.clock.advance(1)
    assert (await server.wait(sandbox)).status == Result.GENERIC_STATUS_IDLE_TIMEOUT


async def write_stdin(server: Harness, sandbox: Created, index: int) -> None:
    await server.control.SandboxStdinWrite(
        sandboxes_pb2.SandboxStdinWriteRequest(sandbox_id=sandbox.id, index=index, input=b"x")
    )


async def list_files(server: Harness, sandbox: Created, index: int) -> None:
    await server.control.ContainerFilesystemExec(
        containers_pb2.ContainerFilesystemExecRequest(
            task_id=sandbox.task_id,
            file_ls_request=containers_pb2.ContainerFileLsRequest(path="/"),
        )
    )


@pytest.mark.asyncio
@pytest.mark.parametrize("activity", [write_stdin, list_files])
async def test_input_and_files_count_as_activity(server: Harness, activity: object) -> None:
    sandbox = await server.create("cat", timeout_secs=600, idle_timeout_secs=10)
    for index in range(1, 5):
        await server.clock.advance(9)
        await activity(server, sandbox, index)  # type: ignore[operator]
    assert not (await server.wait(sandbox)).status
    await server.clock.advance(10)
    assert (await server.wait(sandbox)).status == Result.GENERIC_STATUS_IDLE_TIMEOUT


@pytest.mark.asyncio
async def test_a_command_that_cannot_start_leaves_the_sandbox_idle(server: Harness) -> None:
    sandbox = await server.create(timeout_secs=600, idle_timeout_secs=10)
    with refused(Status.INVALID_ARGUMENT, "nope"):
        await server.exec(sandbox, "nope")
    await server.clock.advance(10)
    assert (await server.wait(sandbox)).status == Result.GENERIC_STATUS_IDLE_TIMEOUT


@pytest.mark.asyncio
async def test_an_end_by_itself_counts_more_than_a_time_out(server: Harness) -> None:
    sandbox = await server.create("fail", "3", timeout_secs=10)
    await server.wait(sandbox, 5)
    await server.clock.advance(100)
    assert (await server.wait(sandbox)).exitcode == 3


@pytest.mark.asyncio
async def test_a_wait_returns_without_a_result_when_its_time_is_up(server: Harness) -> None:
    sandbox = await server.create("hang")
    wait = asyncio.ensure_future(server.wait(sandbox, 10))
    await server.clock.advance(9)
    assert not wait.done()
    await server.clock.advance(1)
    assert not (await wait).status


@pytest.mark.asyncio
async def test_a_wait_returns_at_once_when_the_sandbox_ends(server: Harness) -> None:
    sandbox = await server.create("hang")
    wait = asyncio.ensure_future(server.wait(sandbox, 10))
    await settle()
    await server.terminate(sandbox)
    assert (await wait).status == Result.GENERIC_STATUS_TERMINATED


@pytest.mark.asyncio
@pytest.mark.parametrize("timeout", [-1, float("nan"), float("-inf")])
async def test_a_time_that_nobody_could_wait_for_is_invalid(
    server: Harness, timeout: float
) -> None:
    sandbox = await server.create("hang")
    with refused(Status.INVALID_ARGUMENT, f"{timeout:g}"):
        await server.wait(sandbox, timeout)


@pytest.mark.asyncio
async def test_a_wait_may_be_for_ever(server: Harness) -> None:
    sandbox = await server.create("echo")
    assert (await server.wait(sandbox, float("inf"))).status


@pytest.mark.asyncio
async def test_finished_sandboxes_stay_readable_up_to_a_number(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert sandboxes_module.FINISHED_SANDBOXES >= 1000
    monkeypatch.setattr(sandboxes_module, "FINISHED_SANDBOXES", 2)
    async with serve() as server:
        sandboxes = [await server.create("echo", str(number)) for number in range(3)]
        await settle()
        with refused(Status.NOT_FOUND, sandboxes[0].id):
            await server.wait(sandboxes[0])
        assert await server.logs(sandboxes[1]) == "1\n"


def test_retention_lets_the_oldest_go_by_number_and_by_bytes() -> None:
    kept = retention.Retention[str](3, 100)
    for name, size in [("a", 10), ("b", 80), ("c", 10)]:
        assert kept.add(name, size) == []
    assert kept.add("d", 0) == ["a"]
    assert kept.add("e", 50) == ["b"]
    assert kept.add("huge", 1000) == ["c", "d", "e"]
