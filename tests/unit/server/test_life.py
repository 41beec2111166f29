"""The life of a sandbox, from creation to its end."""

import pytest

from pytest_sandbox._proto import common_pb2

from .harness import Harness

Result = common_pb2.GenericResult


@pytest.mark.asyncio
async def test_a_sandbox_runs_a_command_whose_output_and_end_can_be_read(server: Harness) -> None:
    sandbox = await server.create("echo", "hi")

    assert await server.logs(sandbox) == "hi\n"
    assert await server.wait(sandbox, 10) == Result(status=Result.GENERIC_STATUS_SUCCESS)


@pytest.mark.asyncio
async def test_a_command_is_run_through_the_router(server: Harness) -> None:
    sandbox = await server.create()

    exec_id = await server.exec(sandbox, "echo", "a", "b")

    assert await server.output(sandbox, exec_id) == b"a b\n"
    assert (await server.code(sandbox, exec_id)).code == 0


@pytest.mark.asyncio
async def test_terminate_ends_it_with_the_status_terminated(server: Harness) -> None:
    sandbox = await server.create("hang")

    await server.terminate(sandbox)

    assert (await server.wait(sandbox)).status == Result.GENERIC_STATUS_TERMINATED
