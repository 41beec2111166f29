"""Standard input and output, of main processes and of commands."""

import asyncio
from typing import Any

import pytest
from grpclib import Status
from grpclib.exceptions import GRPCError

from pytest_sandbox._proto import common_pb2, containers_pb2, router_pb2, sandboxes_pb2
from pytest_sandbox.engine import ExitStatus, OutputLog
from pytest_sandbox.fakes import Call, settle
from pytest_sandbox.fakes.processes.memory_process import MemoryProcess

from .engines import GatedEngine
from .harness import ERR, STDERR, STDOUT, Created, Harness, refused, serve

# Logs


async def batches(
    server: Harness, sandbox: Created, entry: str = "", timeout: float = 55
) -> list[common_pb2.TaskLogsBatch]:
    request = sandboxes_pb2.SandboxGetLogsRequest(
        sandbox_id=sandbox.id, file_descriptor=STDOUT, timeout=timeout, last_entry_id=entry
    )
    return await server.control.SandboxGetLogs(request)


@pytest.mark.asyncio
@pytest.mark.parametrize("entry", ["", "0-0"])
async def test_logs_are_read_from_the_beginning_by_every_kind_of_client(
    server: Harness, entry: str
) -> None:
    sandbox = await server.create("echo", "hi")
    got = await batches(server, sandbox, entry)
    assert [item.data for batch in got for item in batch.items] == ["hi\n"]
    assert [batch.eof for batch in got] == [False, True]


@pytest.mark.asyncio
async def test_logs_go_on_after_any_entry_and_stay_readable_after_the_end(
    server: Harness,
) -> None:
    sandbox = await server.create("cat")
    process = server.engine.tasks[-1].processes[0]
    await process.stdout.append("one ä".encode())
    first = await batches(server, sandbox, timeout=0)
    assert [batch.eof for batch in first] == [False]
    await process.stdout.append(b" two")
    await server.terminate(sandbox)
    assert await server.logs(sandbox, entry=first[-1].entry_id) == " two"
    assert await server.logs(sandbox) == "one ä two"


@pytest.mark.asyncio
async def test_a_character_is_never_split(server: Harness) -> None:
    sandbox = await server.create("cat")
    process = server.engine.tasks[-1].processes[0]
    smile = "☺".encode()
    await process.stdout.append(b"a" + smile[:1])
    (batch,) = await batches(server, sandbox, timeout=0)
    assert [item.data for item in batch.items] == ["a"]
    await process.stdout.append(smile[1:2])
    assert await batches(server, sandbox, batch.entry_id, timeout=0) == []
    await process.stdout.append(smile[2:])
    (rest,) = await batches(server, sandbox, batch.entry_id, timeout=0)
    assert [item.data for item in rest.items] == ["☺"]


@pytest.mark.asyncio
async def test_bytes_that_are_no_text_are_replaced() -> None:
    engine = GatedEngine()
    engine.on_exec("say").reply(stdout=b"a\xffb\xe2\x98")
    async with serve(engine) as server:
        sandbox = await server.create("say")
        assert await server.logs(sandbox) == "a�b�"


@pytest.mark.asyncio
async def test_logs_without_an_end_stop_after_the_timeout(server: Harness) -> None:
    sandbox = await server.create("hang")
    reading = asyncio.ensure_future(batches(server, sandbox, timeout=55))
    await server.clock.advance(54)
    assert not reading.done()
    await server.clock.advance(1)
    assert await reading == []


@pytest.mark.asyncio
async def test_logs_of_a_sandbox_without_a_main_process_end_with_it(server: Harness) -> None:
    sandbox = await server.create()
    assert await batches(server, sandbox, timeout=0) == []
    await server.terminate(sandbox)
    (batch,) = await batches(server, sandbox)
    assert batch.eof


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ({"file_descriptor": "FILE_DESCRIPTOR_INFO"}, "3"),
        ({}, "0"),
        ({"file_descriptor": 1, "last_entry_id": "x-y"}, "x-y"),
    ],
)
async def test_logs_that_cannot_be_had_are_refused(
    server: Harness, fields: dict[str, Any], word: str
) -> None:
    sandbox = await server.create("hang")
    request = sandboxes_pb2.SandboxGetLogsRequest(sandbox_id=sandbox.id, **fields)
    with refused(Status.INVALID_ARGUMENT, word):
        await server.control.SandboxGetLogs(request)


@pytest.mark.asyncio
async def test_standard_error_is_a_log_of_its_own(server: Harness) -> None:
    sandbox = await server.create("fail", "1")
    assert await server.logs(sandbox) == ""
    assert await server.logs(sandbox, STDERR) == "no\n"


# Standard input of the main process


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


# Standard input of commands


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


# Output of commands


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


# The same through the control plane


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
    assert (await server.code(sandbox, two)).signal == 9


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
