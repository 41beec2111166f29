"""A far side that lies gets an error, and no more memory of this machine than calls take."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from grpclib import GRPCError, Status
from grpclib.const import Handler

from pytest_sandbox._proto import engine_pb2 as pb
from pytest_sandbox.engine import (
    EndCause,
    EngineError,
    EngineUnavailable,
    OciImage,
    Process,
    ProcessSpec,
    Task,
    TaskLost,
    TaskSpec,
)
from pytest_sandbox.images import LayerBlob
from pytest_sandbox.remote import RemoteEngine
from pytest_sandbox.remote.far.service import FarService
from pytest_sandbox.remote.loopback import Loopback
from pytest_sandbox.remote.near import files
from pytest_sandbox.remote.wire.windows import PORT_WINDOW

from .stuck import StuckEngine

#: Answers in the place of the honest handler of a call.
Lie = Callable[[Any], Awaitable[None]]


class LyingService(FarService):
    """A far side that tells lies in some calls.

    Attributes:
        lies: how it answers, by call.
    """

    def __init__(self) -> None:
        self.lies: dict[str, Lie] = {}
        super().__init__(lambda _: StuckEngine().engine())

    def handler(self, path: str) -> Handler | None:
        honest = super().handler(path)
        assert honest is not None
        honest_func: Any = honest.func

        async def answer(stream: Any) -> None:
            await self.lies.get(path.rpartition("/")[2], honest_func)(stream)

        return honest._replace(func=answer)


class Lying(Loopback):
    """The connection to it."""

    def __init__(self) -> None:
        service = LyingService()
        super().__init__(service)
        self.lies = service.lies


def says(*answers: Any, reads: bool = True) -> Lie:
    """Say this, and then nothing more."""

    async def lie(stream: Any) -> None:
        if reads:
            await stream.recv_message()
        for answer in answers:
            await stream.send_message(answer)

    return lie


def writes(data: bytes) -> Lie:
    """Write these bytes in the place of a message, and wait."""

    async def lie(stream: Any) -> None:
        await stream.recv_message()
        await stream.send_initial_metadata()
        await stream._stream.send_data(data)
        await asyncio.get_running_loop().create_future()

    return lie


@pytest_asyncio.fixture
async def far() -> AsyncIterator[Lying]:
    lying = Lying()
    yield lying
    await lying.end("the test is over")


@pytest_asyncio.fixture
async def engine(far: Lying) -> RemoteEngine:
    async def connect() -> Lying:
        return far

    engine = RemoteEngine(connect)
    await engine.start()
    return engine


@pytest_asyncio.fixture
async def task(engine: RemoteEngine) -> Task:
    return await engine.create(TaskSpec())


async def refused(
    call: Awaitable[Any], match: str | None = None, error: type[EngineError] = EngineUnavailable
) -> EngineError:
    with pytest.raises(error, match=match) as caught:
        await asyncio.wait_for(call, 20)
    assert "loopback" in str(caught.value)
    return caught.value


STARTED = pb.Started(task=1, stdout_capacity=10, stderr_capacity=10)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "answers",
    [
        [],
        [pb.Report()],
        [pb.Report(stdout=b"first")],
        [pb.Report(started=pb.Started(has_main=True, stdout_capacity=2**60, stderr_capacity=1))],
        [pb.Report(started=pb.Started(has_main=True))],
    ],
    ids=["nothing", "empty", "not started", "a huge log", "no log"],
)
async def test_a_task_that_was_not_created(
    far: Lying, engine: RemoteEngine, answers: list[pb.Report]
) -> None:
    far.lies["Create"] = says(*answers)

    await refused(engine.create(TaskSpec()))


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "report",
    [
        pb.Report(end=pb.TaskEnd(cause=77)),  # type: ignore[arg-type]
        pb.Report(end=pb.TaskEnd(status=pb.ExitStatus())),
        pb.Report(failure=pb.Failure(message=b"x")),
        None,
    ],
    ids=["a cause that there is not", "a status that is none", "a failure", "no end"],
)
async def test_a_task_that_does_not_end_is_lost(
    far: Lying, engine: RemoteEngine, report: pb.Report | None
) -> None:
    far.lies["Create"] = says(pb.Report(started=STARTED), *([report] if report else []))
    task = await engine.create(TaskSpec())

    end = await asyncio.wait_for(task.wait(), 20)

    assert end.cause is EndCause.LOST
    assert "loopback" in str(end.lost)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "report",
    [
        pb.Report(stdout=b"x" * 11),
        pb.Report(stderr=b"x" * 11),
        pb.Report(exit=pb.ExitStatus(code=300)),
        pb.Report(exit=pb.ExitStatus()),
    ],
    ids=["too much output", "too many errors", "a large code", "no status"],
)
async def test_a_process_that_cannot_be(far: Lying, task: Task, report: pb.Report) -> None:
    far.lies["Exec"] = says(pb.Report(started=STARTED), report)
    process: Process = await task.exec(ProcessSpec(("x",)))

    assert (await asyncio.wait_for(process.wait(), 20)).signal == 9

    assert "loopback" in str(process.lost)
    await refused(process.stdout.read(process.stdout.end), error=TaskLost)
    await refused(process.write_stdin(b"x"), error=TaskLost)
    assert task.poll() is None


#: Calls, what is answered to them, and how they are made.
LIES: dict[str, tuple[str, Lie, Callable[[Task], Awaitable[Any]]]] = {
    "a name that is too long": (
        "Snapshot",
        says(pb.SnapshotReply(name=b"x" * 10_000)),
        lambda task: task.snapshot(),  # type: ignore[attr-defined]
    ),
    "a verdict": (
        "NetworkLog",
        says(pb.NetworkLogReply(records=[pb.ConnectionRecord(verdict="perhaps")])),
        lambda task: task.network_log(),  # type: ignore[attr-defined]
    ),
    "a kind": ("Stat", says(pb.StatReply()), lambda task: task.files.stat("/")),
    "a way out": (
        "ListDirectory",
        says(pb.EntriesReply(entries=[pb.Entry(name=b"../x", kind="file")])),
        lambda task: task.files.listdir("/"),
    ),
    "a change": (
        "Watch",
        says(pb.WatchReply(kind="Melted")),
        lambda task: anext(task.files.watch("/")),
    ),
    "no answer": ("Usage", says(), lambda task: task.usage()),  # type: ignore[attr-defined]
    "no message": (
        "Stat",
        writes(b"\0\0\0\0\5\xff\xff\xff\xff\xff"),
        lambda task: task.files.stat("/"),
    ),
    "a compressed message": (
        "Stat",
        writes(b"\1\0\0\0\0"),
        lambda task: task.files.stat("/"),
    ),
    "a huge message": (
        "Stat",
        writes(b"\0" + (2**30).to_bytes(4, "big")),
        lambda task: task.files.stat("/"),
    ),
    "a huge part": (
        "Pack",
        writes(b"\0" + (2**32 - 1).to_bytes(4, "big")),
        lambda task: anext(task.files.pack("/")),
    ),
}


@pytest.mark.asyncio
@pytest.mark.parametrize("lie", LIES)
async def test_an_answer_that_makes_no_sense(far: Lying, task: Task, lie: str) -> None:
    name, far.lies[name], call = LIES[lie]

    await refused(call(task))

    assert task.poll() is None
    assert (await task.exec(ProcessSpec(("x",)))).poll() is None


@pytest.mark.asyncio
async def test_a_status_of_grpc(far: Lying, task: Task) -> None:
    async def lie(stream: Any) -> None:
        raise GRPCError(Status.RESOURCE_EXHAUSTED, "too much of everything")

    far.lies["Usage"] = lie

    await refused(task.usage(), "too much of everything")  # type: ignore[attr-defined]


@pytest.mark.asyncio
async def test_more_is_read_than_asked_for(far: Lying, task: Task) -> None:
    far.lies["Read"] = says(pb.Part(data=b"123"), pb.Part(data=b"456"), pb.Part(data=b"789"))
    file = await task.files.open("/f", 0)

    await refused(file.pread(0, 5), "more was read")


@pytest.mark.asyncio
async def test_a_directory_without_end(
    far: Lying, task: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def lie(stream: Any) -> None:
        while True:
            await stream.send_message(pb.EntriesReply(entries=[pb.Entry(name=b"x", kind="file")]))

    far.lies["ListDirectory"] = lie
    monkeypatch.setattr(files, "_MOST_ENTRIES", 100)

    with pytest.raises(OSError, match="more entries"):
        await asyncio.wait_for(task.files.listdir("/"), 20)


@pytest.mark.asyncio
async def test_a_connection_with_more_than_was_asked_for(far: Lying, task: Task) -> None:
    async def lie(stream: Any) -> None:
        await stream.recv_message()
        await stream.send_message(pb.FromPort())
        while True:
            await stream.send_message(pb.FromPort(data=bytes(PORT_WINDOW)))

    far.lies["Connect"] = lie
    connection = await task.connect(80)  # type: ignore[attr-defined]

    async def read_all() -> None:
        await asyncio.wait([connection._running])
        while await connection.read(PORT_WINDOW):
            pass

    await refused(read_all(), "more came")
    await connection.close()


@pytest.mark.asyncio
@pytest.mark.parametrize("digest", ["sha256:" + "1" * 64, "../../etc/passwd"])
async def test_layers_that_an_image_does_not_have(
    far: Lying, engine: RemoteEngine, digest: str
) -> None:
    far.lies["UnpackImage"] = says(pb.ImageReply(missing=[digest]))

    await refused(engine.unpack(OciImage("x", "sha256:" + "0" * 64, ())), "has no layer")


@pytest.mark.asyncio
async def test_layers_that_are_wanted_again_and_again(
    far: Lying, engine: RemoteEngine, tmp_path: Path
) -> None:
    digest = "sha256:" + "0" * 64
    (tmp_path / "layer").write_bytes(b"x")
    image = OciImage("x", digest, (LayerBlob(digest, digest, 1, "", tmp_path / "layer"),))
    far.lies["UnpackImage"] = says(pb.ImageReply(missing=[digest]))
    sent: list[bytes] = []

    async def take(stream: Any) -> None:
        sent.extend([message.data async for message in stream])
        await stream.send_message(pb.Done())

    far.lies["PutLayer"] = take

    with pytest.raises(EngineUnavailable, match="lacks layers that it was sent"):
        await engine.unpack(image)
    assert sent == [b"", b"x"] * 3
