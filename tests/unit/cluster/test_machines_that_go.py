"""Machines of a cluster that come and go, while they are used or asked."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import pytest

from pytest_sandbox.cluster import ClusterEngine, NodesChanged
from pytest_sandbox.engine import (
    ConnectionFault,
    EndCause,
    EngineUnavailable,
    InvalidSpec,
    Membership,
    OciImage,
    ProcessSpec,
    SupportsImages,
    Task,
    TaskLost,
    TaskSpec,
    UnknownImage,
    VolumeMount,
)
from pytest_sandbox.fakes import FakeEngine, VirtualClock
from pytest_sandbox.remote.loopback import loopback_engine

from .nodes import Turns, cluster
from .tasks import node_of, read, write

if TYPE_CHECKING:
    from collections.abc import Collection

    from pytest_sandbox.cluster import Node, Placement
    from pytest_sandbox.cluster.task import ClusterTask
    from pytest_sandbox.engine import Clock
    from pytest_sandbox.images import ImageStore
    from pytest_sandbox.remote.loopback import Loopback

pytestmark = pytest.mark.asyncio


async def test_a_machine_that_is_gone_ends_its_sandboxes_and_no_others() -> None:
    engine, placer = cluster(2)
    await engine.start()
    lost, kept = [await engine.create(TaskSpec()) for _ in range(2)]
    there = await cast("ClusterTask", lost).snapshot()
    await placer.lose(placer.nodes[0])
    assert (await lost.wait()).cause in (EndCause.LOST, EndCause.KILLED)
    assert kept.poll() is None
    assert node_of(await engine.create(TaskSpec())) == "n1"
    with pytest.raises(UnknownImage, match="it was on n0, which is gone"):
        await engine.create(TaskSpec(image=there))
    await placer.lose(placer.nodes[1])
    with pytest.raises(EngineUnavailable, match="has no machine left"):
        await engine.create(TaskSpec())
    await engine.close()


async def test_what_was_on_a_machine_that_is_gone_says_so() -> None:
    remote = loopback_engine(FakeEngine)
    engine = ClusterEngine(Turns([remote]))
    await engine.start()
    task = await engine.create(TaskSpec(main=ProcessSpec(("sleep", "1000"))))
    process = await task.exec(ProcessSpec(("sleep", "1000")))

    await cast("Loopback", remote._connection).end("its plug was pulled")

    end = await task.wait()
    assert task.main is not None
    for lost in (end.lost, process.lost, task.main.lost):
        assert "its plug was pulled" in str(lost)
    with pytest.raises(TaskLost, match="its plug was pulled"):
        await task.exec(ProcessSpec(("true",)))
    await engine.close()


async def test_a_machine_that_joins_is_used_and_has_the_faults() -> None:
    clock = VirtualClock()
    engine, placer = cluster(1, clock)
    await engine.start()
    await engine.set_fault(ConnectionFault("f", "example.com", effect="refuse"))
    await placer.join(FakeEngine(clock=clock))
    assert {node_of(await engine.create(TaskSpec())) for _ in range(2)} == {"n0", "n1"}
    assert await engine.fault_counts(["f"]) == {"f": (0, 0)}
    await engine.clear_faults(["f"])
    assert not await placer.nodes[1].engine.fault_counts(["f"])  # type: ignore[attr-defined]
    await engine.close()


class Dying(FakeEngine):
    """An engine whose machine is gone as soon as it is asked for a sandbox."""

    placer: Turns

    async def create(self, spec: TaskSpec) -> Task:  # type: ignore[override]
        await self.placer.lose(self.placer.nodes[0])
        raise EngineUnavailable("it is gone")


async def test_a_sandbox_that_was_to_be_on_a_machine_that_died_is_on_another() -> None:
    clock = VirtualClock()
    engine, placer = cluster(0, clock)
    dying = Dying(clock=clock)
    dying.placer = placer
    placer._engines = [dying, FakeEngine(clock=clock)]
    await engine.start()
    assert node_of(await engine.create(TaskSpec())) == "n1"
    assert len(placer.held) == 1
    await engine.close()


class Surprised(Turns):
    """Learns of a further node while it places a sandbox."""

    async def place(self, spec: TaskSpec, among: Collection[Node]) -> Placement:
        if len(self.nodes) == 1:
            await self.join(FakeEngine(clock=VirtualClock()))
            raise NodesChanged("n1")
        return await super().place(spec, among)


async def test_a_node_that_joins_while_a_sandbox_is_placed_can_have_it() -> None:
    placer = Surprised([FakeEngine(clock=VirtualClock())])
    engine = ClusterEngine(placer, VirtualClock())
    await engine.start()
    await engine.create(TaskSpec())
    assert placer.asked == [["n0", "n1"]]
    await engine.close()


async def test_what_was_on_a_machine_that_is_gone_can_be_on_another() -> None:
    engine, placer = cluster(2)
    await engine.start()
    member = TaskSpec(membership=Membership("net", ("a",)), volumes=(VolumeMount("v", "/v"),))
    lost = await engine.create(member)
    assert node_of(lost) == "n0"
    await placer.lose(placer.nodes[0])
    kept = await engine.create(member)
    assert node_of(kept) == "n1"
    await lost.wait()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    await placer.join(FakeEngine(clock=engine.clock))
    await engine.create(member)
    assert placer.asked[-1] == ["n1"]  # the end of the one that was lost did not end the network
    await engine.close()


class WithImages(FakeEngine, SupportsImages):
    """An engine that notes what it unpacks."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock=clock)
        self.unpacked: list[OciImage] = []

    @property
    def image_store(self) -> ImageStore:
        raise EngineUnavailable("it has none")

    async def unpack(self, image: OciImage) -> None:
        self.unpacked.append(image)


class Going(WithImages):
    """An engine whose machine is gone as soon as it is asked for what concerns all machines."""

    placer: Turns

    async def _go(self, *_: object, **__: object) -> Any:
        await self.placer.lose(next(node for node in self.placer.nodes if node.engine is self))
        raise EngineUnavailable("it is gone")

    set_fault = fault_counts = clear_faults = forget = unpack = _go


def going(*engines: FakeEngine) -> tuple[ClusterEngine, Turns]:
    placer = Turns(engines)
    for engine in engines:
        if isinstance(engine, Going):
            engine.placer = placer
    return ClusterEngine(placer, engines[0].clock), placer


FAULT = ConnectionFault("f", "example.com", effect="refuse")


@pytest.mark.parametrize("call", ["set_fault", "fault_counts", "clear_faults"])
async def test_what_concerns_all_machines_is_done_on_those_that_stay(call: str) -> None:
    clock = VirtualClock()
    kept = FakeEngine(clock=clock)
    engine, _ = going(Going(clock), kept)
    await engine.start()
    if call != "set_fault":
        await kept.set_fault(FAULT)

    told = await getattr(engine, call)(FAULT if call == "set_fault" else ["f"])

    assert [node.engine for node in engine._nodes] == [kept]
    there = await kept.fault_counts(["f"])
    assert dict(there) == ({} if call == "clear_faults" else {"f": (0, 0)})
    assert told == (there if call == "fault_counts" else None)
    await engine.close()


async def test_a_snapshot_is_forgotten_where_it_is_although_a_machine_goes() -> None:
    clock = VirtualClock()
    engine, placer = going(Going(clock), FakeEngine(clock=clock))
    await engine.start()
    first = cast("ClusterTask", await engine.create(TaskSpec()))
    snapshot = await first.snapshot()
    there = engine._snapshots.on(first.node, snapshot)
    for _ in range(2):
        await engine.create(TaskSpec(image=snapshot))
    copy = engine._snapshots.on(placer.nodes[1], snapshot)
    assert first.node is placer.nodes[0]
    assert there

    await engine.forget(snapshot)

    with pytest.raises(UnknownImage):
        await placer.nodes[1].engine.create(TaskSpec(image=copy))
    await engine.close()


async def test_a_fault_that_makes_no_sense_is_not_set_on_machines_that_join() -> None:
    clock = VirtualClock()
    engine, placer = cluster(1, clock)
    await engine.start()
    with pytest.raises(InvalidSpec):
        await engine.set_fault(replace(FAULT, port=-1))
    asked: list[object] = []

    class Asked(FakeEngine):
        async def set_fault(self, fault: ConnectionFault) -> None:
            asked.append(fault)

    await placer.join(Asked(clock=clock))
    await asyncio.sleep(0)
    assert not asked
    await engine.close()


async def test_what_a_machine_refuses_that_stays_is_an_error() -> None:
    class Refusing(FakeEngine):
        async def set_fault(self, fault: ConnectionFault) -> None:
            raise EngineUnavailable("its zygote died")

    clock = VirtualClock()
    engine, placer = going(Refusing(clock=clock), FakeEngine(clock=clock))
    await engine.start()
    with pytest.raises(EngineUnavailable, match="its zygote died"):
        await engine.set_fault(FAULT)
    assert await placer.nodes[1].engine.fault_counts(["f"])  # type: ignore[attr-defined]
    await engine.close()


async def test_a_directory_is_copied_from_another_machine_when_its_first_one_goes() -> None:
    """In the middle of it: the sandbox that gives the files is lost."""
    remotes = [loopback_engine(FakeEngine) for _ in range(3)]
    placer = Turns(remotes)
    engine = ClusterEngine(placer)
    await engine.start()
    one, two, three = [cast("ClusterTask", await engine.create(TaskSpec())) for _ in range(3)]
    await one.files.mkdir("/srv/made")
    await write(one, "/srv/made/file", "made")
    directory = await one.snapshot_directory("/srv/made")
    for task in (two, three):
        await task.files.mkdir("/srv/there")
    await two.mount("/srv/there", directory)
    create = remotes[0].create

    async def going(spec: TaskSpec) -> Task:
        task = await create(spec)
        await cast("Loopback", remotes[0]._connection).end("its plug was pulled")
        return task

    vars(remotes[0])["create"] = going

    await three.mount("/srv/there", directory)

    assert await read(three, "/srv/there/file") == b"made\n"
    assert engine._snapshots.nodes(directory) == placer.nodes
    await engine.close()


async def test_an_image_is_unpacked_on_another_machine_when_the_first_one_goes() -> None:
    clock = VirtualClock()
    kept = WithImages(clock)
    engine, _ = going(Going(clock), kept)
    await engine.start()
    image = OciImage("image", "sha256:" + "0" * 64, ())
    await engine.unpack(image)
    assert kept.unpacked == [image]
    await engine.close()
