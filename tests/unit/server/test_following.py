"""`ExecFollow` as a client that is not ours may call it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
from grpclib import Status
from h2.exceptions import StreamClosedError

from pytest_sandbox._proto import extensions_grpc, router_pb2
from pytest_sandbox._proto import extensions_pb2 as pb
from pytest_sandbox.fakes import settle
from pytest_sandbox.server.commands.commands import UNCLAIMED_TIME

from .harness import ERR, OUT, Created, Harness, refused

pytestmark = pytest.mark.asyncio


def start(sandbox: Created, *argv: str, exec_id: str = "e1", **fields: Any) -> pb.ExecFollowRequest:
    command = router_pb2.TaskExecStartRequest(
        task_id=sandbox.task_id,
        exec_id=exec_id,
        command_args=argv,
        stdout_config=router_pb2.TASK_EXEC_STDOUT_CONFIG_PIPE,
        stderr_config=router_pb2.TASK_EXEC_STDERR_CONFIG_PIPE,
    )
    return pb.ExecFollowRequest(start=pb.ExecFollowStart(command=command, **fields))


def read(descriptor: Any, until: int = 10**6) -> pb.ExecFollowRequest:
    return pb.ExecFollowRequest(read=pb.ExecFollowRead(file_descriptor=descriptor, until=until))


@asynccontextmanager
async def followed(server: Harness, auth: dict[str, str]) -> AsyncIterator[Any]:
    stub = extensions_grpc.ExtensionsStub(server.channel)
    async with stub.ExecFollow.open(metadata=auth) as stream:
        yield stream
        with suppress(StreamClosedError):  # it has ended
            await stream.cancel()


async def answers(server: Harness, auth: dict[str, str], *requests: Any) -> list[Any]:
    """What comes after these requests, and the end of them."""
    async with followed(server, auth) as stream:
        await stream.send_request()
        for request in requests:
            await stream.send_message(request)
        await stream.end()
        return [message async for message in stream]


async def test_all_of_it_is_one_message(server: Harness) -> None:
    sandbox = await server.create()
    request = start(sandbox, "cat", whole=True, input=b"word")
    (told,) = await answers(server, sandbox.auth, request)
    assert (told.stdout, told.stdout_ended, told.stderr_ended) == (b"word", True, True)
    assert told.exit.code == 0


async def test_what_is_not_asked_for_is_a_pipe_full(server: Harness) -> None:
    sandbox = await server.create()
    async with followed(server, sandbox.auth) as stream:
        await stream.send_message(start(sandbox, "cat"))
        assert (await stream.recv_message()).ahead
        await server.write(sandbox, "e1", b"x" * 10**5)
        got = (await stream.recv_message()).stdout
        while len(got) < 65536:
            got += (await stream.recv_message()).stdout
        await settle()
        assert len(got) == 65536
        await stream.send_message(read(OUT, 65537))
        assert (await stream.recv_message()).stdout == b"x"


async def test_what_was_given_up_is_not_sent(server: Harness) -> None:
    sandbox = await server.create()
    async with followed(server, sandbox.auth) as stream:
        await stream.send_message(start(sandbox, "cat"))
        await stream.recv_message()
        await stream.send_message(pb.ExecFollowRequest(close=OUT))
        await settle()
        await server.write(sandbox, "e1", b"word", eof=True)
        told = [message async for message in _until_exit(stream)]
    assert b"".join(message.stdout for message in told) == b""
    assert any(message.stderr_ended for message in told)
    assert not any(message.stdout_ended for message in told)


async def _until_exit(stream: Any) -> AsyncIterator[Any]:
    ended = exited = False
    while not (ended and exited):
        message = await stream.recv_message()
        ended, exited = ended or message.stderr_ended, exited or message.HasField("exit")
        yield message


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        (pb.ExecFollowRequest(close=7), "not 7"),  # type: ignore[arg-type]
        (read(-1), "not -1"),
        (pb.ExecFollowRequest(), "expected read, close or wait"),
    ],
)
async def test_mistakes_are_named(server: Harness, request_: Any, words: str) -> None:
    sandbox = await server.create()
    with refused(Status.INVALID_ARGUMENT, words):
        await answers(server, sandbox.auth, start(sandbox, "cat"), request_)


async def test_the_first_message_is_the_start(server: Harness) -> None:
    sandbox = await server.create()
    for requests in ([], [read(ERR)]):
        with refused(Status.INVALID_ARGUMENT, "first message"):
            await answers(server, sandbox.auth, *requests)


async def test_a_token_of_the_task_is_needed(server: Harness) -> None:
    one, other = await server.create(), await server.create()
    with refused(Status.UNAUTHENTICATED, "Bearer"):
        await answers(server, {}, start(one, "cat"))
    with refused(Status.PERMISSION_DENIED, "the token is for task"):
        await answers(server, other.auth, start(one, "cat"))


@pytest.mark.parametrize("whole", [True, False])
async def test_a_command_whose_start_was_given_up_is_ended(server: Harness, whole: bool) -> None:
    sandbox = await server.create(timeout_secs=1000)
    server.engine.gate.clear()
    call = asyncio.ensure_future(answers(server, sandbox.auth, start(sandbox, "cat", whole=whole)))
    await settle()
    call.cancel()
    await asyncio.wait({call})
    server.engine.gate.set()
    await settle()
    (process,) = sandbox.task.processes
    await server.clock.advance(UNCLAIMED_TIME - 1)
    assert process.poll() is None
    await server.clock.advance(1)
    assert process.poll() is not None


async def test_a_command_goes_on_when_its_follower_is_gone(server: Harness) -> None:
    sandbox = await server.create(timeout_secs=1000)
    async with followed(server, sandbox.auth) as stream:
        await stream.send_message(start(sandbox, "cat"))
        await stream.recv_message()
    await server.clock.advance(2 * UNCLAIMED_TIME)
    (process,) = sandbox.task.processes
    assert process.poll() is None


async def test_the_same_id_starts_nothing_twice(server: Harness) -> None:
    sandbox = await server.create()
    await server.exec(sandbox, "cat", exec_id="e1")
    (told,) = await answers(server, sandbox.auth, start(sandbox, "cat", whole=True, input=b"x"))
    assert (told.stdout, len(sandbox.task.processes)) == (b"x", 1)
