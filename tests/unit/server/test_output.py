"""Output of commands, by the command router."""

import asyncio

import pytest
from grpclib import Status

from pytest_sandbox._proto import router_pb2
from pytest_sandbox.engine import ExitStatus, OutputLog
from pytest_sandbox.fakes import settle

from .harness import ERR, Harness, refused


@pytest.mark.asyncio
async def test_output_is_read_again_from_any_offset_and_after_the_end(server: Harness) -> None:
    sandbox = await server.create()
    exec_id = await server.exec(sandbox, "echo", "hello")
    assert await server.output(sandbox, exec_id) == b"hello\n"
    await server.terminate(sandbox)
    assert await server.output(sandbox, exec_id) == b"hello\n"
    assert await server.output(sandbox, exec_id, offset=2) == b"llo\n"
    assert await server.output(sandbox, exec_id, offset=100) == b""
    assert (await server.code(sandbox, exec_id)).code == 0


@pytest.mark.asyncio
async def test_output_that_was_dropped_is_out_of_range(server: Harness) -> None:
    sandbox = await server.create()
    exec_id = await server.exec(sandbox, "hang")
    process = sandbox.task.processes[-1]
    process.stdout = OutputLog(4)
    await process.stdout.append(b"abcd")
    await process.stdout.read(0)
    await process.stdout.append(b"ef")
    with refused(Status.OUT_OF_RANGE, "byte 0"):
        await server.output(sandbox, exec_id)


@pytest.mark.asyncio
async def test_a_reader_that_does_not_read_makes_the_program_wait(server: Harness) -> None:
    sandbox = await server.create()
    exec_id = await server.exec(sandbox, "flood", str(256 * 1024 * 1024))
    process = sandbox.task.processes[-1]
    request = router_pb2.TaskExecStdioReadRequest(task_id=sandbox.task_id, exec_id=exec_id)
    async with server.router.TaskExecStdioRead.open(metadata=sandbox.auth) as stream:
        await stream.send_message(request, end=True)
        for _ in range(5000):
            await asyncio.sleep(0)
        # What the log holds and what is on its way to the client, far from everything.
        assert process.stdout.full
        assert process.stdout.end < 128 * 1024 * 1024
        await stream.cancel()


@pytest.mark.asyncio
async def test_a_stream_that_does_not_exist_is_invalid(server: Harness) -> None:
    sandbox = await server.create()
    exec_id = await server.exec(sandbox, "echo")
    request = router_pb2.TaskExecStdioReadRequest(task_id=sandbox.task_id, exec_id=exec_id)
    request.file_descriptor = 2  # type: ignore[assignment]
    with refused(Status.INVALID_ARGUMENT, "not 2"):
        await server.router.TaskExecStdioRead(request, metadata=sandbox.auth)


@pytest.mark.asyncio
async def test_a_reader_that_leaves_is_forgotten(server: Harness) -> None:
    sandbox = await server.create()
    exec_id = await server.exec(sandbox, "hang")
    reading = asyncio.ensure_future(server.output(sandbox, exec_id, ERR))
    await settle()
    log = sandbox.task.processes[-1].stderr
    assert len(log._changed) == 1
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    await settle()
    assert not log._changed


@pytest.mark.asyncio
async def test_the_end_of_output_does_not_wait_for_a_daemon(server: Harness) -> None:
    sandbox = await server.create()
    exec_id = await server.exec(sandbox, "hang")
    # As of a process that inherited its output and goes on.
    process = sandbox.task.processes[-1]
    process.proc.end(ExitStatus(code=0))
    process.stdout = OutputLog()
    await process.stdout.append(b"started\n")
    assert (await server.code(sandbox, exec_id)).code == 0
    reading = asyncio.ensure_future(server.output(sandbox, exec_id))
    await server.clock.advance(1)
    assert not reading.done()
    await server.clock.advance(1)
    assert await reading == b"started\n"
