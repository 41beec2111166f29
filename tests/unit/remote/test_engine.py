"""What lies between a run and its engine on another machine keeps neither waiting for the other."""

import gc
import os
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from pytest_sandbox.engine import (
    Capability,
    Connection,
    EngineInfo,
    ProcessSpec,
    Snapshot,
    StoreFull,
    SystemClock,
    TaskEnded,
    TaskSpec,
)
from pytest_sandbox.engine.conformance.support import until
from pytest_sandbox.fakes import FakeEngine
from pytest_sandbox.remote import RemoteEngine, loopback_engine
from pytest_sandbox.remote.far import reports
from pytest_sandbox.remote.far.held import Held
from pytest_sandbox.remote.near import engine as near_engine
from pytest_sandbox.remote.wire.windows import PORT_WINDOW

from .stuck import StuckEngine


@pytest_asyncio.fixture
async def engine() -> AsyncIterator[RemoteEngine]:
    engine = loopback_engine(lambda: FakeEngine(clock=SystemClock()))
    await engine.start()
    yield engine
    await engine.close()


@pytest.mark.asyncio
async def test_it_says_what_it_is_and_what_it_cannot_do() -> None:
    class Whole(FakeEngine):
        async def start(self) -> EngineInfo:
            info = await super().start()
            return EngineInfo(
                "whole",
                "as ever",
                info.capabilities | {Capability.PROJECT},
                {"GPUs": "none"},
                "print",
                "/srv/project",
            )

    engine = loopback_engine(Whole)
    info = await engine.start()

    assert (info.name, info.mode, info.project) == ("remote", "as ever", "")
    assert Capability.PROJECT not in info.capabilities
    assert info.fingerprint == "whole print"
    assert info.details["machine"].startswith(f"{os.uname().nodename}, ")
    assert "upload" in info.details["no project"]
    assert info.details["GPUs"] == "none"
    await engine.close()


class Endless(Connection):
    """A connection on which more always comes.

    Attributes:
        given: bytes that were read.
    """

    def __init__(self) -> None:
        self.given = 0

    async def read(self, size: int) -> bytes:
        self.given += size
        return bytes(size)

    async def write(self, data: bytes) -> None:
        pass

    async def end(self) -> None:
        pass

    async def close(self) -> None:
        pass


@pytest.mark.asyncio
async def test_connections_that_nobody_reads_hold_up_nothing() -> None:
    far = StuckEngine()
    far.connection = Endless()
    for name in ("create", "connect"):
        far.through.add(name)
    made = far.engine()
    connections = [Endless() for _ in range(70)]  # more than 64 full windows of calls
    unused = iter(connections)

    async def connect(*_: Any) -> Connection:
        return next(unused)

    setattr(type(far.task), "connect", connect)  # noqa: B010
    engine = loopback_engine(lambda: made)
    await engine.start()
    task = await engine.create(TaskSpec())
    opened = [await task.connect(80) for _ in connections]

    await until(lambda: all(each.given >= PORT_WINDOW for each in connections), "they are full")
    await task.exec(ProcessSpec(("x",)))  # which is another call

    assert all(each.given == PORT_WINDOW for each in connections)
    total = 0
    while total < 3 * PORT_WINDOW:
        total += len(await opened[0].read(PORT_WINDOW))
    for each in opened:
        await each.close()
    await engine._connection.end("the test is over")  # type: ignore[union-attr]


@pytest.mark.asyncio
async def test_tasks_that_nobody_has_are_forgotten_there(
    engine: RemoteEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    released: list[int] = []
    monkeypatch.setattr(Held, "release_task", lambda self, number: released.append(number))
    monkeypatch.setattr(near_engine, "_RELEASED_AT_ONCE", 3)

    for _ in range(3):
        task = await engine.create(TaskSpec())
        await task.kill()
        assert (await task.usage()) is not None  # which works after the end
        del task
    gc.collect()
    await engine.fault_counts([])
    await until(lambda: len(released) == 3, "they are forgotten")

    assert len(set(released)) == 3


@pytest.mark.asyncio
async def test_a_snapshot_frees_what_the_far_side_says() -> None:
    class Small(FakeEngine):
        async def create(self, spec: TaskSpec) -> Any:
            if spec.name == "too much":
                raise StoreFull("no room for another sandbox")
            return await super().create(spec)

        def frees(self, snapshot: Any) -> bool:
            return bool(snapshot != first)

    engine = loopback_engine(lambda: Small(clock=SystemClock()))
    await engine.start()
    task = await engine.create(TaskSpec())
    first, second = await task.snapshot(), await task.snapshot()
    assert engine.frees(first)

    with pytest.raises(StoreFull, match="no room"):
        await engine.create(TaskSpec(name="too much"))

    assert (engine.frees(first), engine.frees(second)) == (False, True)
    assert engine.frees(Snapshot("of another engine"))
    await engine.close()
    assert engine.frees(first)


@pytest.mark.asyncio
async def test_the_end_of_a_task_comes_after_those_of_its_processes(engine: RemoteEngine) -> None:
    """Who has heard that a task has ended need not wait for its processes."""
    for _ in range(5):
        task = await engine.create(TaskSpec(main=ProcessSpec(("cat",))))
        processes = [await task.exec(ProcessSpec(("cat",))) for _ in range(10)]
        await task.kill()
        assert [each.poll() is None for each in processes] == [False] * 10
        assert task.main is not None
        assert task.main.poll() is not None
        with pytest.raises(TaskEnded):
            await task.exec(ProcessSpec(("cat",)))


@pytest.mark.asyncio
async def test_a_task_says_where_its_files_are() -> None:
    far = StuckEngine()
    far.task.folder, far.task.default_workdir = "/srv/\udcff", "/srv/home"
    engine = loopback_engine(far.engine)
    await engine.start()
    task = await engine.create(TaskSpec())

    assert (task.folder, task.default_workdir) == ("/srv/\udcff", "/srv/home")
    await engine._connection.end("the test is over")  # type: ignore[union-attr]


@pytest.mark.asyncio
async def test_a_call_takes_one_round_trip(
    engine: RemoteEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Output, its end and the exit come unasked."""
    sent: list[object] = []
    task = await engine.create(TaskSpec())
    real = task._calls.open

    def counted(method: Any) -> Any:
        call = real(method)
        send = call.send

        async def counting(request: Any, **options: Any) -> None:
            sent.append(request)
            await send(request, **options)

        call.send = counting  # type: ignore[method-assign]
        return call

    monkeypatch.setattr(task._calls, "open", counted)
    process = await task.exec(ProcessSpec(("echo", "hello")))

    assert await process.stdout.read(0) == b"hello\n"
    assert await process.stdout.read(6) == b""
    assert (await process.wait()).code == 0
    assert len(sent) == 1


@pytest.mark.asyncio
async def test_long_output_comes_in_parts(
    engine: RemoteEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reports, "PART", 1000)
    task = await engine.create(TaskSpec())
    process = await task.exec(ProcessSpec(("seq", "1", "3000")))

    data = b"".join([chunk async for chunk in process.stdout.follow()])

    assert data == b"".join(b"%d\n" % number for number in range(1, 3001))
