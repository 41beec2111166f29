"""When a session is over, every call under way ends with an error that says why."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

from pytest_sandbox.engine import (
    ConnectionFault,
    EndCause,
    EngineUnavailable,
    ExitStatus,
    Gpus,
    Host,
    InvalidSpec,
    Membership,
    Network,
    OciImage,
    ProcessSpec,
    PtySize,
    Snapshot,
    TaskLost,
    TaskSpec,
    Unsupported,
)
from pytest_sandbox.remote import RemoteEngine
from pytest_sandbox.remote.far.service import FarService
from pytest_sandbox.remote.loopback import Loopback

from .stuck import StuckEngine

if TYPE_CHECKING:
    from pytest_sandbox.remote.near.open_file import RemoteOpenFile
    from pytest_sandbox.remote.near.process import RemoteProcess
    from pytest_sandbox.remote.near.task import RemoteTask

WHY = "the cable was cut"


class Stuck:
    """A remote engine whose far engine never answers, with one of each thing."""

    def __init__(self) -> None:
        self.far = StuckEngine()
        self.connection = Loopback(FarService(lambda _: self.far.engine()))
        self.engine = RemoteEngine(self._connect)
        self.task: RemoteTask
        self.process: RemoteProcess
        self.file: RemoteOpenFile
        self.port: Any

    async def _connect(self) -> Loopback:
        return self.connection

    async def start(self) -> None:
        await self.engine.start()
        self.task = await self.engine.create(TaskSpec())
        self.process = await self.task.exec(ProcessSpec(("x",)))  # type: ignore[assignment]
        self.file = await self.task.files.open("/f", 0)  # type: ignore[assignment]
        self.port = await self.task.connect(80)
        self.far.through.clear()


@pytest_asyncio.fixture
async def stuck() -> AsyncIterator[Stuck]:
    made = Stuck()
    await made.start()
    yield made
    await made.connection.end("the test is over")


async def nothing() -> AsyncIterator[bytes]:
    return
    yield b""


#: A call of each kind: what the far engine calls it, and how it is made.
CALLS: dict[str, Callable[[Stuck], Awaitable[Any]]] = {
    "create": lambda s: s.engine.create(TaskSpec()),
    "create_sidecar": lambda s: s.task.create_sidecar(TaskSpec()),
    "prepare": lambda s: s.engine.prepare(TaskSpec()),
    "forget": lambda s: s.engine.forget(Snapshot("s")),
    "export": lambda s: anext(s.engine.export(Snapshot("s"))),
    "load": lambda s: s.engine.load(nothing()),
    "flatten": lambda s: s.engine.flatten(Snapshot("s")),
    "set_fault": lambda s: s.engine.set_fault(ConnectionFault("f", "example.com")),
    "fault_counts": lambda s: s.engine.fault_counts(["f"]),
    "clear_faults": lambda s: s.engine.clear_faults(["f"]),
    "forget_volume": lambda s: s.engine.forget_volume("v"),
    "exec": lambda s: s.task.exec(ProcessSpec(("x",))),
    "snapshot": lambda s: s.task.snapshot(),
    "snapshot_directory": lambda s: s.task.snapshot_directory("/d"),
    "exit_snapshot": lambda s: s.task.exit_snapshot(),
    "snapshot_memory": lambda s: s.task.snapshot_memory(),
    "mount": lambda s: s.task.mount("/d", Host()),
    "unmount": lambda s: s.task.unmount("/d"),
    "connect": lambda s: s.task.connect(80),
    "network_log": lambda s: s.task.network_log(),
    "usage": lambda s: s.task.usage(),
    "set_network": lambda s: s.task.set_network(Network()),
    "join": lambda s: s.task.join(Membership("n")),
    "open": lambda s: s.task.files.open("/f", 0),
    "stat": lambda s: s.task.files.stat("/f"),
    "listdir": lambda s: s.task.files.listdir("/"),
    "mkdir": lambda s: s.task.files.mkdir("/d"),
    "remove": lambda s: s.task.files.remove("/d"),
    "replace": lambda s: s.task.files.replace("/d", "/e"),
    "watch": lambda s: anext(s.task.files.watch("/")),
    "pack": lambda s: anext(s.task.files.pack("/")),
    "unpack": lambda s: s.task.files.unpack("/", nothing()),
    "pread": lambda s: s.file.pread(0, 1),
    "pwrite": lambda s: s.file.pwrite(0, b"x"),
    "size": lambda s: s.file.size(),
    "truncate": lambda s: s.file.truncate(0),
    "signal": lambda s: s.process.signal(9),
    "resize": lambda s: s.process.resize(PtySize()),
    "write_stdin": lambda s: s.process.write_stdin(b"x"),
}


#: Calls that are about no task, and may be made of another engine.
OF_ENGINE = {
    *("create", "prepare", "forget", "export", "load", "flatten", "forget_volume"),
    *("set_fault", "fault_counts", "clear_faults"),
}


def error_of(name: str) -> type[Exception]:
    """What a call raises once the session is over."""
    return EngineUnavailable if name in OF_ENGINE else TaskLost


async def given(connection: Loopback) -> Loopback:
    return connection


async def read_port(stuck: Stuck) -> bytes:
    data: bytes = await stuck.port.read(1)
    return data


async def raised_by(call: Awaitable[Any]) -> BaseException:
    """The error of a call."""
    (error,) = await asyncio.wait_for(asyncio.gather(call, return_exceptions=True), 20)
    assert isinstance(error, BaseException), f"it gave {error!r}"
    return error


@pytest.mark.asyncio
async def test_every_call_under_way_says_why_it_ended(stuck: Stuck) -> None:
    async def made(call: Callable[[Stuck], Awaitable[Any]]) -> Any:
        return await call(stuck)

    under_way = {name: asyncio.ensure_future(made(call)) for name, call in CALLS.items()}
    for name in CALLS:
        await stuck.far.begun.until(name)
    # Reading waits here, not there.
    under_way["read"] = asyncio.ensure_future(stuck.port.read(1))
    under_way["stdout"] = asyncio.ensure_future(stuck.process.stdout.read(0))

    await stuck.connection.end(WHY)

    errors = {name: await raised_by(call) for name, call in under_way.items()}
    assert {name: type(error) for name, error in errors.items()} == {
        name: error_of(name) for name in under_way
    }
    assert all(WHY in str(error) and "loopback" in str(error) for error in errors.values())
    assert stuck.far.closed == 1


@pytest.mark.asyncio
async def test_every_later_call_says_why_it_fails(stuck: Stuck) -> None:
    await stuck.connection.end(WHY)
    await stuck.task.wait()

    for name, call in {**CALLS, "read": read_port}.items():
        if name in ("signal", "resize"):
            continue  # the process has ended
        error = await raised_by(call(stuck))
        assert type(error) is error_of(name), f"{name}: {error!r}"
        assert WHY in str(error), name
    await stuck.process.signal(9)
    await stuck.file.close()
    await stuck.process.close_stdin()
    await stuck.port.close()
    await stuck.engine.close()


@pytest.mark.asyncio
async def test_what_lived_is_lost_and_says_why(stuck: Stuck) -> None:
    ending = asyncio.ensure_future(stuck.task.wait())
    exiting = asyncio.ensure_future(stuck.process.wait())
    await stuck.far.process.stdout.append(b"last words")
    await stuck.process.stdout.read(0)

    await stuck.connection.end(WHY)

    end, status = await asyncio.wait_for(asyncio.gather(ending, exiting), 20)
    assert (end.cause, stuck.task.poll()) == (EndCause.LOST, end)
    assert WHY in end.detail
    assert status == stuck.process.poll() == ExitStatus(signal=9)
    assert WHY in str(stuck.process.lost)
    assert str(end.lost) == str(stuck.process.lost) == end.detail
    assert await stuck.process.stdout.read(0) == b"last words"
    with pytest.raises(TaskLost, match=WHY):
        await stuck.process.stdout.read(10)


@pytest.mark.asyncio
async def test_what_is_lost_behind_a_far_side_is_lost_here_too() -> None:
    """As with a far side whose own engine is on other machines."""
    stuck = StuckEngine()
    last = Loopback(FarService(lambda _: stuck.engine()))
    first = Loopback(FarService(lambda _: RemoteEngine(partial(given, last))))
    engine = RemoteEngine(partial(given, first))
    await engine.start()
    task = await engine.create(TaskSpec())
    process = await task.exec(ProcessSpec(("x",)))
    assert process.poll() is None

    await last.end(WHY)

    end, status = await asyncio.wait_for(asyncio.gather(task.wait(), process.wait()), 20)
    assert (end.cause, status) == (EndCause.LOST, ExitStatus(signal=9))
    assert WHY in str(end.lost)
    assert WHY in str(process.lost)
    with pytest.raises(TaskLost, match=WHY):
        await process.stdout.read(0)
    await first.end("the test is over")


@pytest.mark.asyncio
async def test_what_had_ended_before_is_not_lost(stuck: Stuck) -> None:
    """Its end was told, and is true whatever becomes of the machine."""
    stuck.far.exits.set()
    status = await asyncio.wait_for(stuck.process.wait(), 20)

    await stuck.connection.end(WHY)
    await stuck.task.wait()

    assert status == stuck.process.poll() == ExitStatus(code=7)
    assert stuck.process.lost is None


@pytest.mark.asyncio
async def test_a_reset_of_one_call_is_no_end_of_the_session(stuck: Stuck) -> None:
    """A caller that gives up is an end of its call there, and of nothing else."""
    for name, call in CALLS.items():
        if name in ("write_stdin", "signal", "resize"):
            continue  # what was ordered is carried out
        making = asyncio.ensure_future(call(stuck))
        await stuck.far.begun.until(name)
        making.cancel()
        await asyncio.wait([making])
        await stuck.far.begun.until(name, cancelled=True)
    assert stuck.task.poll() is None
    assert stuck.far.closed == 0


@pytest.mark.asyncio
async def test_close_ends_the_far_engine_and_can_be_called_again(stuck: Stuck) -> None:
    closing = asyncio.ensure_future(stuck.engine.close())
    # The task of this engine does not end with it, so its call is what remains.
    stuck.connection._channel.close()
    await asyncio.wait_for(closing, 20)
    await stuck.engine.close()

    assert stuck.far.closed >= 1
    with pytest.raises(EngineUnavailable):
        await stuck.engine.create(TaskSpec())


@pytest.mark.asyncio
async def test_a_far_side_that_cannot_be_reached_is_an_error_of_the_start() -> None:
    async def connect() -> Loopback:
        raise EngineUnavailable("nothing listens there", "start it")

    engine = RemoteEngine(connect)
    with pytest.raises(EngineUnavailable, match="start it"):
        await engine.start()
    await engine.close()


@pytest.mark.asyncio
async def test_an_engine_that_does_not_start_there_is_an_error_of_the_start() -> None:
    class Fails(StuckEngine):
        def engine(self) -> Any:
            raise EngineUnavailable("no user namespaces", "sysctl them")

    connection = Loopback(FarService(lambda _: Fails().engine()))

    async def connect() -> Loopback:
        return connection

    engine = RemoteEngine(connect)
    with pytest.raises(EngineUnavailable) as caught:
        await engine.start()
    assert (caught.value.reason, caught.value.remedy) == (
        "on loopback: no user namespaces",
        "sysctl them",
    )
    assert connection.reason
    await engine.close()


@pytest.mark.asyncio
async def test_what_only_this_machine_has_is_refused(stuck: Stuck) -> None:
    with pytest.raises(Unsupported, match="upload"):
        await stuck.engine.create(TaskSpec(project=True))
    with pytest.raises(InvalidSpec, match="kind and number"):
        await stuck.engine.create(TaskSpec(gpus=Gpus("lease:1")))
    with pytest.raises(InvalidSpec, match="cannot be sent"):
        await stuck.engine.create(TaskSpec(name="\ud800"))
    with pytest.raises(InvalidSpec, match="cannot be sent"):
        await stuck.engine.unpack(OciImage("\ud800", "", ()))


@pytest.mark.asyncio
async def test_an_ability_that_the_far_engine_lacks_says_what_it_says() -> None:
    class Plain(StuckEngine):
        def engine(self) -> Any:
            whole = super().engine()
            names = ("start", "close", "create", "clock")
            return type(
                "Plain", (type(whole).__mro__[1],), {n: getattr(type(whole), n) for n in names}
            )()

    connection = Loopback(FarService(lambda _: Plain().engine()))

    async def connect() -> Loopback:
        return connection

    engine = RemoteEngine(connect)
    await engine.start()
    for call in (engine.forget(Snapshot("s")), engine.forget_volume("v"), engine.load(nothing())):
        with pytest.raises(Unsupported, match="this engine"):
            await call
    await engine.prepare(TaskSpec())  # a hint can be ignored
    assert not engine.has_packages
    await connection.end("the test is over")
