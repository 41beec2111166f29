"""Standard input, of main processes and of commands."""

import asyncio

import pytest
from grpclib import Status

from pytest_sandbox._proto import router_pb2, sandboxes_pb2
from pytest_sandbox.fakes import Call, settle
from pytest_sandbox.fakes.processes.memory_process import MemoryProcess

from .harness import Created, Harness, refused


async def write_main(
    server: Harness, sandbox: Created, index: int, data: bytes = b"", eof: bool = False
) -> None:
    await server.control.SandboxStdinWrite(
        sandboxes_pb2.SandboxStdinWriteRequest(
            sandbox_id=sandbox.id, index=index, input=data, eof=eof
        )
    )


@pytest.mark.asyncio
async def test_input_arrives_in_order_and_once(server: Harness) -> None:
    sandbox = await server.create("cat")
    for index, data in [(1, b"a"), (1, b"a"), (2, b"b"), (1, b"a"), (2, b"b")]:
        await write_main(server, sandbox, index, data)
    await write_main(server, sandbox, 3, b"c", eof=True)
    assert await server.logs(sandbox) == "abc"


@pytest.mark.asyncio
async def test_input_after_the_end_of_input_is_refused(server: Harness) -> None:
    sandbox = await server.create("hang")
    await write_main(server, sandbox, 1, eof=True)
    await write_main(server, sandbox, 2, eof=True)
    with refused(Status.FAILED_PRECONDITION, "closed"):
        await write_main(server, sandbox, 3, b"x")


@pytest.mark.asyncio
async def test_a_finished_sandbox_takes_an_end_of_input_but_no_input(server: Harness) -> None:
    sandbox = await server.create("echo")
    await server.wait(sandbox, 10)
    await write_main(server, sandbox, 1, eof=True)
    with refused(Status.FAILED_PRECONDITION, sandbox.id):
        await write_main(server, sandbox, 2, b"x")


@pytest.mark.asyncio
async def test_input_may_be_repeated_once_it_has_ended_the_sandbox(server: Harness) -> None:
    sandbox = await server.create("cat")
    await write_main(server, sandbox, 1, b"x", eof=True)
    await server.wait(sandbox, 10)

    await write_main(server, sandbox, 1, b"x", eof=True)

    with refused(Status.FAILED_PRECONDITION, "has ended"):
        await write_main(server, sandbox, 2, b"y")
    assert await server.logs(sandbox) == "x"


@pytest.mark.asyncio
async def test_input_is_numbered_from_one(server: Harness) -> None:
    sandbox = await server.create("cat")
    with refused(Status.INVALID_ARGUMENT, "0"):
        await write_main(server, sandbox, 0, b"x")


@pytest.mark.asyncio
async def test_a_sandbox_without_a_main_process_takes_input_that_nobody_reads(
    server: Harness,
) -> None:
    sandbox = await server.create()
    await write_main(server, sandbox, 1, b"x", eof=True)


@pytest.mark.asyncio
async def test_bytes_below_the_accepted_offset_are_dropped(server: Harness) -> None:
    sandbox = await server.create()
    exec_id = await server.exec(sandbox, "cat")
    await server.write(sandbox, exec_id, b"abc")
    await server.write(sandbox, exec_id, b"abc")
    await server.write(sandbox, exec_id, b"bcde", offset=1)
    await server.write(sandbox, exec_id, b"", offset=5, eof=True)
    await server.write(sandbox, exec_id, b"", offset=5, eof=True)
    assert await server.output(sandbox, exec_id) == b"abcde"


@pytest.mark.asyncio
async def test_a_gap_in_the_input_is_refused(server: Harness) -> None:
    sandbox = await server.create()
    exec_id = await server.exec(sandbox, "cat")
    with refused(Status.FAILED_PRECONDITION, "byte 0", "not at 5"):
        await server.write(sandbox, exec_id, b"x", offset=5)


@pytest.mark.asyncio
async def test_input_for_a_command_that_ended_is_refused_and_its_end_is_known(
    server: Harness,
) -> None:
    sandbox = await server.create()
    exec_id = await server.exec(sandbox, "fail", "7")
    await server.code(sandbox, exec_id)
    with refused(Status.FAILED_PRECONDITION, "exit code 7"):
        await server.write(sandbox, exec_id, b"x")
    await server.write(sandbox, exec_id, b"", eof=True)


class Deaf(MemoryProcess):
    """Says that its input is closed, and ends only a moment later."""

    async def write_stdin(self, data: bytes) -> None:
        raise BrokenPipeError


@pytest.mark.asyncio
async def test_a_write_that_fails_waits_for_the_end_of_the_process_to_be_visible(
    server: Harness,
) -> None:
    sandbox = await server.create()
    exec_id = await server.exec(sandbox, "hang")
    process = sandbox.task.processes[-1]
    process.__class__ = Deaf
    write = asyncio.ensure_future(server.write(sandbox, exec_id, b"x"))
    await settle()
    assert not write.done()
    await process.signal(9)
    with refused(Status.FAILED_PRECONDITION, "exit code 137"):
        await write
    request = router_pb2.TaskExecPollRequest(task_id=sandbox.task_id, exec_id=exec_id)
    assert (await server.router.TaskExecPoll(request, metadata=sandbox.auth)).signal == 9


@pytest.mark.asyncio
async def test_a_write_to_a_process_that_closed_its_input_fails_in_bounded_time(
    server: Harness,
) -> None:
    sandbox = await server.create()
    exec_id = await server.exec(sandbox, "hang")
    sandbox.task.processes[-1].__class__ = Deaf
    write = asyncio.ensure_future(server.write(sandbox, exec_id, b"x"))
    await server.clock.advance(1)
    with refused(Status.FAILED_PRECONDITION, "closed its standard input"):
        await write


Request = router_pb2.TaskExecStdinWriteStreamRequest


def stream_start(sandbox: Created, exec_id: str, offset: int = 0) -> Request:
    return Request(
        start=router_pb2.TaskExecStdinWriteStreamStart(
            task_id=sandbox.task_id, exec_id=exec_id, offset=offset
        )
    )


END = Request(end=router_pb2.TaskExecStdinWriteStreamEnd())


async def status(
    server: Harness, sandbox: Created, exec_id: str
) -> router_pb2.TaskExecStdinStatusResponse:
    request = router_pb2.TaskExecStdinStatusRequest(task_id=sandbox.task_id, exec_id=exec_id)
    return await server.router.TaskExecStdinStatus(request, metadata=sandbox.auth)


@pytest.mark.asyncio
async def test_a_stream_of_input_ends_the_input_only_if_it_says_so(server: Harness) -> None:
    sandbox = await server.create()
    exec_id = await server.exec(sandbox, "cat")
    write = server.router.TaskExecStdinWriteStream
    await write([stream_start(sandbox, exec_id), Request(data=b"ab")], metadata=sandbox.auth)
    state = await status(server, sandbox, exec_id)
    assert (state.num_bytes_written, state.closed) == (2, False)
    await write(
        [stream_start(sandbox, exec_id, 2), Request(data=b"cd"), END], metadata=sandbox.auth
    )
    state = await status(server, sandbox, exec_id)
    assert (state.num_bytes_written, state.closed) == (4, True)
    assert await server.output(sandbox, exec_id) == b"abcd"


@pytest.mark.asyncio
async def test_a_stream_of_input_has_a_beginning_and_an_offset(server: Harness) -> None:
    sandbox = await server.create()
    exec_id = await server.exec(sandbox, "cat")
    write = server.router.TaskExecStdinWriteStream
    with refused(Status.INVALID_ARGUMENT, "start"):
        await write([Request(data=b"x")], metadata=sandbox.auth)
    with refused(Status.INVALID_ARGUMENT, "start"):
        await write([], metadata=sandbox.auth)
    start = stream_start(sandbox, exec_id)
    with refused(Status.INVALID_ARGUMENT, "start"):
        await write([start, start], metadata=sandbox.auth)
    with refused(Status.FAILED_PRECONDITION, "not at 5"):
        await write([stream_start(sandbox, exec_id, 5), Request(data=b"x")], metadata=sandbox.auth)


@pytest.mark.asyncio
async def test_asking_for_the_state_of_input_cuts_a_stream_short(server: Harness) -> None:
    sandbox = await server.create()
    exec_id = await server.exec(sandbox, "cat")
    with refused(Status.ABORTED, "after 2 bytes"):
        async with server.router.TaskExecStdinWriteStream.open(metadata=sandbox.auth) as stream:
            await stream.send_message(stream_start(sandbox, exec_id))
            await stream.send_message(Request(data=b"ab"))
            await settle()
            state = await status(server, sandbox, exec_id)
            assert state.num_bytes_written == 2


@pytest.mark.asyncio
async def test_a_write_whose_caller_left_is_completed_once(server: Harness) -> None:
    reads = asyncio.Event()

    async def late(call: Call) -> bytes:
        await reads.wait()
        return await call.read_all()

    server.engine.on_exec("late").calls(late)
    sandbox = await server.create()
    exec_id = await server.exec(sandbox, "late")
    data = bytes(range(256)) * 1024  # more than a pipe holds
    write = asyncio.ensure_future(server.write(sandbox, exec_id, data))
    await settle()
    write.cancel()
    with pytest.raises(asyncio.CancelledError):
        await write
    again = asyncio.ensure_future(server.write(sandbox, exec_id, data, eof=True))
    await settle()
    reads.set()
    await again
    assert await server.output(sandbox, exec_id) == data
