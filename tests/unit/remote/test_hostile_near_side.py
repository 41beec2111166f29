"""A near side that asks for what cannot be gets an error, and harms nobody, not even itself."""

import asyncio
import errno
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from grpclib import GRPCError, Status
from grpclib.client import UnaryUnaryMethod

from pytest_sandbox._proto import engine_pb2 as pb
from pytest_sandbox._proto.engine_grpc import EngineStub
from pytest_sandbox.fakes import FakeEngine
from pytest_sandbox.images import ImageStore
from pytest_sandbox.remote.far import held
from pytest_sandbox.remote.far.service import FarService
from pytest_sandbox.remote.loopback import Loopback

from .stuck import StuckEngine

SPEC = pb.TaskSpec(image=pb.RootImage(host=True), hostname=b"x")


class Near:
    """A near side that sends what a test likes."""

    def __init__(self, session: FarService) -> None:
        self.connection = Loopback(session)
        self.stub = EngineStub(self.connection.channel)

    async def start(self) -> pb.StartReply:
        return await self.stub.Start(pb.StartRequest())

    async def talk(self, rpc: str, *messages: Any) -> Any:
        """What is answered to messages last, after which nothing more comes."""
        last = None
        async with getattr(self.stub, rpc).open() as stream:
            for message in messages:
                await stream.send_message(message)
            async for last in stream:
                if last.HasField("failure"):
                    break
            await stream.end()
        return last

    async def still_works(self) -> None:
        assert await self.stub.Release(pb.ReleaseRequest(tasks=[99])) == pb.Done()


@pytest_asyncio.fixture
async def near() -> AsyncIterator[Near]:
    near = Near(FarService(lambda _: FakeEngine()))
    await near.start()
    yield near
    await near.still_works()
    await near.connection.close()


async def created(near: Near, main: bool = False) -> tuple[Any, int]:
    """A call that has created a task, and its number."""
    stream = near.stub.Create.open()
    await stream.__aenter__()
    spec = pb.TaskSpec()
    spec.CopyFrom(SPEC)
    if main:
        spec.main.argv.append(b"cat")
    await stream.send_message(pb.Order(create=pb.CreateRequest(spec=spec)))
    report = await stream.recv_message()
    assert report is not None
    assert not report.HasField("failure"), report
    return stream, report.started.task


async def failure_after(stream: Any, *orders: pb.Order) -> pb.Failure:
    """The failure that a call ends with after more orders."""
    for order in orders:
        await stream.send_message(order)
    async for report in stream:
        if report.HasField("failure"):
            await stream.cancel()
            await stream.__aexit__(None, None, None)
            failure: pb.Failure = report.failure
            return failure
    raise AssertionError("there was no failure")


@pytest.mark.asyncio
async def test_nothing_works_before_the_start() -> None:
    near = Near(FarService(lambda _: FakeEngine()))

    reply = await near.talk("Create", pb.Order(create=pb.CreateRequest(spec=SPEC)))

    assert reply.failure.kind == pb.Failure.UNAVAILABLE
    await near.connection.close()
    await FarService(lambda _: FakeEngine()).end()


@pytest.mark.asyncio
async def test_a_session_has_one_engine(near: Near) -> None:
    assert (await near.start()).failure.kind == pb.Failure.UNAVAILABLE


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("rpc", "message"),
    [
        ("Create", pb.Order()),
        ("Create", pb.Order(create=pb.CreateRequest())),
        ("Exec", pb.Order(create=pb.CreateRequest(spec=SPEC))),
        ("Connect", pb.ToPort(data=b"x")),
    ],
)
async def test_a_call_that_does_not_begin(near: Near, rpc: str, message: Any) -> None:
    assert (await near.talk(rpc, message)).failure.kind == pb.Failure.INVALID_SPEC


@pytest.mark.asyncio
async def test_numbers_of_another_session_mean_nothing() -> None:
    one, other = Near(FarService(lambda _: FakeEngine())), Near(FarService(lambda _: FakeEngine()))
    await one.start()
    await other.start()
    _, number = await created(one)

    reply = await other.stub.Stat(pb.StatRequest(task=number, path=b"/"))
    execution = await other.talk("Exec", pb.Order(exec=pb.ExecRequest(task=number)))
    size = await other.stub.Size(pb.FileRequest(file=number))

    assert reply.failure.kind == execution.failure.kind == pb.Failure.UNAVAILABLE
    assert f"no sandbox {number}".encode() in reply.failure.message
    assert (size.failure.kind, size.failure.errno) == (pb.Failure.OS_ERROR, errno.EBADF)
    for near in (one, other):
        await near.connection.close()


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "order",
    [
        pb.Order(create=pb.CreateRequest(spec=SPEC)),
        pb.Order(stdout_read=10**6),
        pb.Order(stderr_read=1),
    ],
    ids=["a second task", "output that was not sent", "errors that were not sent"],
)
async def test_an_order_that_makes_no_sense_ends_the_task(near: Near, order: pb.Order) -> None:
    stream, number = await created(near, main=True)

    failure = await failure_after(stream, order)

    assert failure.kind == pb.Failure.INVALID_SPEC
    reply = await near.stub.Stat(pb.StatRequest(task=number, path=b"/"))
    assert reply.failure.kind == pb.Failure.UNAVAILABLE


@pytest.mark.asyncio
async def test_input_after_its_end_and_without_a_process(near: Near) -> None:
    stream, _ = await created(near, main=True)
    orders = (pb.Order(end_stdin=True, stdin=b"x"), pb.Order(stdin=b"y"))
    assert (await failure_after(stream, *orders)).kind == pb.Failure.INVALID_SPEC

    stream, _ = await created(near)
    failure = await failure_after(stream, pb.Order(stdin=b"y"))
    assert failure.kind == pb.Failure.INVALID_SPEC


@pytest.mark.asyncio
async def test_signals_that_there_are_not(near: Near) -> None:
    stream, _ = await created(near, main=True)
    await stream.send_message(pb.Order(signal=10**6, number=1))
    await stream.send_message(pb.Order(resize=pb.PtySize(rows=10**9), number=2))

    done = set()
    async for report in stream:
        done |= {each.number for each in report.done}
        if done == {1, 2}:
            break
    await stream.cancel()
    await stream.__aexit__(None, None, None)


@pytest.mark.asyncio
async def test_no_more_tasks_and_files_than_there_may_be(
    near: Near, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(held, "MOST_TASKS", 1)
    _, number = await created(near)

    task = await near.talk("Create", pb.Order(create=pb.CreateRequest(spec=SPEC)))
    file = await near.stub.Open(pb.OpenRequest(task=number, path=b"/f"))

    assert task.failure.kind == file.failure.kind == pb.Failure.STORE_FULL


@pytest.mark.asyncio
async def test_an_offset_that_no_file_has(near: Near) -> None:
    _, task = await created(near)
    opened = await near.stub.Open(pb.OpenRequest(task=task, path=b"/f", flags=0o102, mode=0o600))
    reads = await near.stub.Read(pb.ReadRequest(file=opened.file, offset=2**64 - 1, size=1))
    cut = await near.stub.Truncate(pb.TruncateRequest(file=opened.file, size=2**63))

    assert reads[-1].failure.errno == cut.failure.errno == errno.EINVAL


class Garbage:
    """Bytes in the place of a message."""

    def SerializeToString(self) -> bytes:  # noqa: N802 - a name of protobuf
        return b"\xff\xff\xff\xff\xff"


@pytest.mark.asyncio
async def test_what_is_no_message(near: Near) -> None:
    stat: Any = UnaryUnaryMethod(
        near.connection.channel, near.stub.Stat.name, Garbage, pb.StatReply
    )

    with pytest.raises(GRPCError) as caught:
        await stat(Garbage())

    assert caught.value.status is Status.INVALID_ARGUMENT


@pytest.mark.asyncio
async def test_a_flood_of_input_waits_for_the_program() -> None:
    """Nothing of it is held beyond what a process may have waiting; other calls go on."""
    far = StuckEngine()
    near = Near(FarService(lambda _: far.engine()))
    await near.start()
    stream, _ = await created(near)

    async def flood() -> None:
        for _ in range(64):
            await stream.send_message(pb.Order(stdin=bytes(2**20)))

    flooding = asyncio.ensure_future(flood())
    await far.begun.until("write_stdin")
    for _ in range(20):
        await near.still_works()

    assert not flooding.done()
    flooding.cancel()
    await asyncio.wait([flooding])
    await near.connection.close()


@pytest.mark.asyncio
async def test_a_bug_of_an_engine_is_told_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(FakeEngine):
        async def forget_volume(self, volume: str) -> None:
            raise KeyError(volume)

    near = Near(FarService(lambda _: Broken()))
    await near.start()

    reply = await near.stub.ForgetVolume(pb.VolumeRequest(volume=b"v"))

    assert reply.failure.kind == pb.Failure.OTHER
    assert b"KeyError" in reply.failure.message
    assert "a call failed" in caplog.text
    await near.still_works()
    await near.connection.close()


def files(folder: Path) -> set[str]:
    return {path.name for path in folder.rglob("*") if path.is_file()}


@pytest.mark.asyncio
async def test_layers_are_what_their_digest_says(tmp_path: Path) -> None:
    class Storing(StuckEngine):
        def engine(self) -> Any:
            engine = super().engine()
            setattr(type(engine), "image_store", ImageStore(tmp_path, limit=1000))  # noqa: B010
            return engine

    near = Near(FarService(lambda _: Storing().engine()))
    await near.start()
    digest = f"sha256:{hashlib.sha256(b'good').hexdigest()}"

    async def put(digest: str, size: int, data: bytes) -> pb.Done:
        layer = pb.Layer(digest=digest, diff_id=digest, size=size)
        messages = [pb.PutLayerRequest(layer=layer), pb.PutLayerRequest(data=data)]
        return await near.stub.PutLayer(messages)

    for refused in (
        await put("../../../etc/passwd", 4, b"good"),
        await put(digest, 4, b"evil"),
        await put(digest, 5, b"good"),
        await put(digest, 3, b"good"),
        await put(digest, 2000, b"good"),
    ):
        assert refused.failure.kind == pb.Failure.INVALID_SPEC
    assert files(tmp_path) == {"lock"}
    assert await put(digest, 4, b"good") == pb.Done()
    assert ImageStore(tmp_path).has_blob(digest, 4)
    await near.connection.close()
