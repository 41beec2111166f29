"""`SandboxFollow` as a client that is not ours may call it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
from grpclib import Status
from h2.exceptions import StreamClosedError

from pytest_sandbox._proto import extensions_grpc, sandboxes_pb2, snapshots_pb2
from pytest_sandbox._proto import extensions_pb2 as pb
from pytest_sandbox.fakes import settle
from pytest_sandbox.server.own.main_follower import MainFollower

from .harness import STDERR, STDOUT, Harness, refused

pytestmark = pytest.mark.asyncio


async def create(server: Harness, *argv: str, **fields: Any) -> pb.SandboxFollowRequest:
    await server.image_id()
    return pb.SandboxFollowRequest(
        create=sandboxes_pb2.SandboxCreateRequest(
            app_id=await server.app_id(), definition=await server.definition(*argv, **fields)
        )
    )


def read(descriptor: Any, until: int = 10**6) -> pb.SandboxFollowRequest:
    return pb.SandboxFollowRequest(
        read=pb.SandboxFollowRead(file_descriptor=descriptor, until=until)
    )


@asynccontextmanager
async def followed(server: Harness, **metadata: str) -> AsyncIterator[Any]:
    stub = extensions_grpc.ExtensionsStub(server.channel)
    async with stub.SandboxFollow.open(metadata=metadata) as stream:
        yield stream
        with suppress(StreamClosedError):  # it has ended
            await stream.cancel()


async def answers(server: Harness, *requests: Any) -> list[Any]:
    """What comes after these requests, and the end of them."""
    async with followed(server) as stream:
        await stream.send_request()
        for request in requests:
            await stream.send_message(request)
        await stream.end()
        return [message async for message in stream]


async def test_who_asks_for_nothing_more_gets_what_it_reads(server: Harness) -> None:
    async with followed(server) as stream:
        await stream.send_message(await create(server, "cat"))
        first = await stream.recv_message()
        task: Any = server.engine.tasks[0]
        await stream.send_message(read(STDOUT))
        await stream.end()
        await task.main.stdout.append(b"word")
        task.main.stdout.close()
        came = [output.batch async for message in stream for output in message.output]
    assert "".join(item.data for batch in came for item in batch.items) == "word"
    assert [batch.eof for batch in came][-1]
    assert all((first.task_id, first.router_jwt, first.created.metadata.app_id))


async def test_what_is_not_asked_for_is_a_pipe_full(server: Harness) -> None:
    async with followed(server) as stream:
        await stream.send_message(await create(server, "cat"))
        assert (await stream.recv_message()).created.sandbox_id
        task: Any = server.engine.tasks[0]
        await task.main.stdout.append(b"x" * 10**5)
        (output,) = (await stream.recv_message()).output
        assert (output.offset, len(output.batch.items[0].data)) == (65536, 65536)
        await stream.send_message(read(STDOUT, 65537))
        (output,) = (await stream.recv_message()).output
        assert (output.offset, output.batch.items[0].data) == (65537, "x")
        assert task.main.stdout.had == 65537


async def test_what_is_dropped_while_there_is_no_room_is_no_end(server: Harness) -> None:
    async with followed(server) as stream:
        await stream.send_message(await create(server, "cat"))
        await stream.recv_message()
    (sandbox,) = server.app.state.sandboxes.all()
    log = sandbox.commands.main_logs[0]
    await log.append(b"x" * 10**5)

    async def room(most: int) -> int:
        log._capacity = 1  # somebody else has had all of it, and newer output took its place
        log.taken(log.end)
        await log.append(b"y")
        return most

    follower = MainFollower(sandbox, lambda: False, room)
    await follower._take(read(STDOUT))
    with pytest.raises(StopAsyncIteration):  # the error comes by another call
        await anext(follower.responses())


async def test_what_was_given_up_is_not_sent(server: Harness) -> None:
    async with followed(server) as stream:
        await stream.send_message(await create(server, "cat"))
        await stream.recv_message()
        task: Any = server.engine.tasks[0]
        await stream.send_message(pb.SandboxFollowRequest(close=STDOUT))
        await settle()
        await task.main.stdout.append(b"out")
        await task.main.stderr.append(b"err")
        (output,) = (await stream.recv_message()).output
        assert (output.file_descriptor, output.batch.items[0].data) == (STDERR, "err")


async def test_the_end_is_told(server: Harness) -> None:
    async with followed(server) as stream:
        await stream.send_message(await create(server, "cat"))
        first = await stream.recv_message()
        await server.control.SandboxTerminate(
            sandboxes_pb2.SandboxTerminateRequest(sandbox_id=first.created.sandbox_id)
        )
        while not (message := await stream.recv_message()).HasField("result"):
            pass
    assert message.result == await _result(server, first.created.sandbox_id)


async def _result(server: Harness, sandbox_id: str) -> Any:
    request = sandboxes_pb2.SandboxWaitRequest(sandbox_id=sandbox_id)
    return (await server.control.SandboxWait(request)).result


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        (pb.SandboxFollowRequest(close=7), "not 7"),  # type: ignore[arg-type]
        (read(-1), "not -1"),
        (pb.SandboxFollowRequest(), "expected read or close"),
        (pb.SandboxFollowRequest(create={}), "not create"),
    ],
)
async def test_mistakes_are_named(server: Harness, request_: Any, words: str) -> None:
    with refused(Status.INVALID_ARGUMENT, words):
        await answers(server, await create(server, "cat"), request_)
    (sandbox,) = server.app.state.sandboxes.all()
    assert sandbox.result is None


async def test_the_first_message_creates(server: Harness) -> None:
    for requests in ([], [read(STDERR)]):
        with refused(Status.INVALID_ARGUMENT, "first message"):
            await answers(server, *requests)
    unknown = snapshots_pb2.SandboxRestoreRequest(snapshot_id="sn-none")
    with refused(Status.NOT_FOUND, "sn-none"):
        await answers(server, pb.SandboxFollowRequest(restore=unknown))


async def test_a_creation_that_was_repeated_is_one(server: Harness) -> None:
    request = await create(server, "cat")
    server.engine.gate.clear()
    ids = []

    async def follow() -> None:
        async with followed(server, **{"x-idempotency-key": "one"}) as stream:
            await stream.send_message(request)
            ids.append((await stream.recv_message()).created.sandbox_id)

    given_up = asyncio.ensure_future(follow())
    await settle()
    given_up.cancel()
    await asyncio.wait({given_up})
    server.engine.gate.set()
    await follow()
    async with server.control.SandboxCreate.open(metadata={"x-idempotency-key": "one"}) as stream:
        await stream.send_message(request.create, end=True)
        ids.append((await stream.recv_message()).sandbox_id)  # type: ignore[union-attr]

    assert len(set(ids)) == len(server.engine.tasks) == 1


async def test_the_sandbox_outlives_the_call(server: Harness) -> None:
    async with followed(server) as stream:
        await stream.send_message(await create(server, "cat"))
        await stream.recv_message()
    await settle()
    (sandbox,) = server.app.state.sandboxes.all()
    assert (sandbox.result, sandbox.at_end) == (None, [])
