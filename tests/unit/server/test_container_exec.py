"""Commands through the control plane."""

import asyncio
from typing import Any

import pytest
from grpclib import Status
from grpclib.exceptions import GRPCError

from pytest_sandbox._proto import containers_pb2

from .harness import STDOUT, Created, Harness, refused


async def container_exec(server: Harness, sandbox: Created, *argv: str, **fields: Any) -> str:
    request = containers_pb2.ContainerExecRequest(task_id=sandbox.task_id, command=argv, **fields)
    return (await server.control.ContainerExec(request)).exec_id


async def container_output(
    server: Harness, exec_id: str, index: int = 0, **fields: Any
) -> list[containers_pb2.RuntimeOutputBatch]:
    request = containers_pb2.ContainerExecGetOutputRequest(
        exec_id=exec_id,
        last_batch_index=index,
        **{"file_descriptor": STDOUT, "get_raw_bytes": True, "timeout": 55, **fields},
    )
    return await server.control.ContainerExecGetOutput(request)


@pytest.mark.asyncio
async def test_a_command_is_run_through_the_control_plane(server: Harness) -> None:
    sandbox = await server.create()
    exec_id = await container_exec(server, sandbox, "cat")
    put = containers_pb2.ContainerExecPutInputRequest(
        exec_id=exec_id,
        input=containers_pb2.RuntimeInputMessage(message=b"ab\xff", message_index=1, eof=True),
    )
    await server.control.ContainerExecPutInput(put)
    await server.control.ContainerExecPutInput(put)
    *items, last = await container_output(server, exec_id)
    assert b"".join(item.message_bytes for batch in items for item in batch.items) == b"ab\xff"
    assert last.exit_code == 0
    wait = containers_pb2.ContainerExecWaitRequest(exec_id=exec_id, timeout=10)
    response = await server.control.ContainerExecWait(wait)
    assert (response.completed, response.exit_code) == (True, 0)


@pytest.mark.asyncio
async def test_output_goes_on_after_the_last_batch_that_came(server: Harness) -> None:
    sandbox = await server.create()
    exec_id = await container_exec(server, sandbox, "hang")
    process = sandbox.task.processes[-1]
    await process.stdout.append(b"one")
    (batch,) = await container_output(server, exec_id, timeout=0)
    await process.stdout.append(b"two")
    await process.signal(9)
    more, last = await container_output(server, exec_id, batch.batch_index)
    assert [item.message_bytes for item in more.items] == [b"two"]
    assert (last.exit_code, last.batch_index > batch.batch_index) == (137, True)


@pytest.mark.asyncio
async def test_a_wait_for_a_command_holds_as_long_as_asked(server: Harness) -> None:
    sandbox = await server.create()
    exec_id = await container_exec(server, sandbox, "hang")
    request = containers_pb2.ContainerExecWaitRequest(exec_id=exec_id, timeout=10)
    wait = asyncio.ensure_future(server.control.ContainerExecWait(request))
    await server.clock.advance(9)
    assert not wait.done()
    await server.clock.advance(1)
    assert not (await wait).completed


@pytest.mark.asyncio
async def test_a_timeout_kills_a_command_of_either_way(server: Harness) -> None:
    sandbox = await server.create()
    one = await container_exec(server, sandbox, "hang", timeout_secs=5)
    two = await server.exec(sandbox, "hang", timeout_secs=5)
    await server.clock.advance(5)
    wait = containers_pb2.ContainerExecWaitRequest(exec_id=one, timeout=0)
    assert (await server.control.ContainerExecWait(wait)).exit_code == 137
    assert (await server.code(sandbox, two)).code == -1  # as clients say at their own deadline


@pytest.mark.asyncio
async def test_an_unknown_command_of_the_control_plane_is_not_found(server: Harness) -> None:
    sandbox = await server.create()
    for exec_id in ("nope", f"{sandbox.task_id}.nope"):
        with refused(Status.NOT_FOUND, exec_id):
            await container_output(server, exec_id)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"terminate_container_on_exit": True}, Status.UNIMPLEMENTED),
        ({"stdout_output": "EXEC_OUTPUT_OPTION_STDOUT"}, Status.INVALID_ARGUMENT),
        ({"workdir": "x"}, Status.INVALID_ARGUMENT),
        ({"secret_ids": ["st-nope"]}, Status.NOT_FOUND),
    ],
    ids=lambda value: str(value)[:30],
)
async def test_a_container_exec_that_cannot_be_is_refused(
    server: Harness, fields: dict[str, Any], status: Status
) -> None:
    sandbox = await server.create()
    with pytest.raises(GRPCError) as caught:
        await container_exec(server, sandbox, "echo", **fields)
    assert caught.value.status == status


@pytest.mark.asyncio
async def test_output_as_text_is_refused(server: Harness) -> None:
    sandbox = await server.create()
    exec_id = await container_exec(server, sandbox, "echo")
    with refused(Status.UNIMPLEMENTED, "get_raw_bytes"):
        await container_output(server, exec_id, get_raw_bytes=False)
