"""An engine of several machines: what runs where, and what is shared."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, cast

import pytest

from pytest_sandbox.cluster import ClusterEngine
from pytest_sandbox.engine import (
    Capability,
    Engine,
    EngineInfo,
    Limits,
    Membership,
    Requests,
    Snapshot,
    StoreFull,
    TaskSpec,
    UnknownImage,
    Unsupported,
    VolumeMount,
)
from pytest_sandbox.fakes import FakeEngine, VirtualClock

from .nodes import Turns, cluster
from .tasks import node_of, read, write

if TYPE_CHECKING:
    from collections.abc import Collection

    from pytest_sandbox.cluster import Node, Placement
    from pytest_sandbox.cluster.task import ClusterTask

pytestmark = pytest.mark.asyncio


async def test_a_sandbox_can_ask_for_what_the_largest_machine_has() -> None:
    class Sized(FakeEngine):
        def __init__(self, processors: int, memory: int | None) -> None:
            super().__init__(clock=VirtualClock())
            self.sizes = processors, memory

        async def start(self) -> EngineInfo:
            processors, memory = self.sizes
            return replace(await super().start(), processors=processors, memory=memory)

    engine = ClusterEngine(Turns([Sized(4, 1 << 30), Sized(64, None)]), VirtualClock())
    info = await engine.start()
    assert (info.processors, info.memory) == (64, None)
    await engine.close()


class WithoutGpus(FakeEngine):
    async def start(self) -> EngineInfo:
        info = await super().start()
        return replace(
            info,
            capabilities=info.capabilities - {Capability.GPU},
            details={"no GPU": "it has no driver"},
        )


async def test_a_cluster_has_gpus_while_one_of_its_machines_has() -> None:
    clock = VirtualClock()
    placer = Turns([WithoutGpus(clock=clock), WithoutGpus(clock=clock)])
    engine = ClusterEngine(placer, clock)
    first = await engine.start()
    assert Capability.GPU not in first.capabilities
    assert first.details["no GPU"] == "n0, n1: it has no driver"
    assert first.mode.startswith("2 machines, ")
    await placer.join(FakeEngine(clock=clock))
    assert Capability.GPU in engine.info.capabilities
    assert "no GPU" not in engine.info.details
    assert engine.info.mode.startswith("3 machines, ")
    await placer.lose(placer.nodes[2])
    assert engine.info == first
    for node in placer.nodes[:2]:
        await placer.lose(node)
    assert engine.info.mode.startswith("1 machine, ")  # as it was last
    await engine.close()


async def test_sandboxes_are_where_the_placer_says_until_they_end() -> None:
    engine, placer = cluster(2)
    info = await engine.start()
    assert info.mode.startswith("2 machines")
    tasks = [await engine.create(TaskSpec()) for _ in range(4)]
    assert [node_of(task) for task in tasks] == ["n0", "n1", "n0", "n1"]
    assert len(placer.held) == 4
    for task in tasks:
        await task.kill()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert not placer.held
    await engine.close()


async def test_a_snapshot_is_copied_to_a_machine_once() -> None:
    engine, _placer = cluster(2)
    await engine.start()
    first = await engine.create(TaskSpec())
    await write(first, "/root/file", "made")
    snapshot = await cast("ClusterTask", first).snapshot()
    copies = [await engine.create(TaskSpec(image=snapshot)) for _ in range(4)]
    assert {node_of(task) for task in copies} == {"n0", "n1"}
    assert [await read(task, "/root/file") for task in copies] == [b"made\n"] * 4
    await engine.forget(snapshot)
    with pytest.raises(UnknownImage):
        await engine.create(TaskSpec(image=snapshot))
    await engine.close()


async def test_what_is_exported_can_be_loaded() -> None:
    engine, _ = cluster(2)
    await engine.start()
    task = await engine.create(TaskSpec())
    await write(task, "/root/file", "made")
    below = await cast("ClusterTask", task).snapshot()
    await write(task, "/root/other", "later")
    above = await cast("ClusterTask", task).snapshot()
    data = [part async for part in engine.export(above, below=below)]

    async def stream() -> object:
        for part in data:
            yield part

    loaded = await engine.load(stream(), below=below)  # type: ignore[arg-type]
    copy = await engine.create(TaskSpec(image=loaded))
    assert await read(copy, "/root/other") == b"later\n"
    await engine.close()


async def test_what_has_to_be_together_is() -> None:
    engine, placer = cluster(3)
    await engine.start()
    volume = TaskSpec(volumes=(VolumeMount("v", "/v"),))
    network = TaskSpec(membership=Membership("net", ("a",)))
    for spec in (volume, network):
        tasks = [await engine.create(spec) for _ in range(3)]
        assert len({node_of(task) for task in tasks}) == 1
    await engine.forget_volume("v")
    await engine.create(volume)
    assert placer.asked[-1] == ["n0", "n1", "n2"]
    await engine.close()


async def test_what_is_on_different_machines_cannot_be_together() -> None:
    engine, _ = cluster(2)
    await engine.start()
    for name in ("v", "w"):
        await engine.create(TaskSpec(volumes=(VolumeMount(name, "/v"),)))
    both = TaskSpec(volumes=(VolumeMount("v", "/v"), VolumeMount("w", "/w")))
    with pytest.raises(Unsupported, match="the volume w is on n1, and the volume v elsewhere"):
        await engine.create(both)
    one, other = [cast("ClusterTask", await engine.create(TaskSpec())) for _ in range(2)]
    await one.join(Membership("net", ("a",)))
    with pytest.raises(Unsupported, match="name the network when the sandbox is created"):
        await other.join(Membership("net", ("b",)))
    await engine.close()


async def test_a_snapshot_of_a_directory_is_copied_too() -> None:
    engine, _ = cluster(2)
    await engine.start()
    one, other = [cast("ClusterTask", await engine.create(TaskSpec())) for _ in range(2)]
    await one.files.mkdir("/srv/made")
    await write(one, "/srv/made/file", "made")
    directory = await one.snapshot_directory("/srv/made")
    await other.files.mkdir("/srv/there")
    await other.mount("/srv/there", directory)
    assert await read(other, "/srv/there/file") == b"made\n"
    await engine.close()


async def test_a_name_that_never_was_is_no_snapshot() -> None:
    engine, _ = cluster(2)
    await engine.start()
    with pytest.raises(UnknownImage):
        await engine.create(TaskSpec(image=Snapshot("1:host")))
    await engine.close()


class Waiting(Turns):
    """Has no room for sandboxes with limits until it is told."""

    def __init__(self, engines: Collection[Engine]) -> None:
        super().__init__(engines)
        self.room = asyncio.Event()

    async def place(self, spec: TaskSpec, among: Collection[Node]) -> Placement:
        if spec.limits.cpus is not None:
            await self.room.wait()
        return await super().place(spec, among)


async def test_a_sandbox_that_waits_for_room_is_in_the_way_of_no_other() -> None:
    clock = VirtualClock()
    placer = Waiting([FakeEngine(clock=clock)])
    engine = ClusterEngine(placer, clock)
    await engine.start()
    volume, other = (TaskSpec(volumes=(VolumeMount(name, "/v"),)) for name in "vw")
    room = Limits(cpus=1.0)
    waiting = [
        asyncio.ensure_future(engine.create(each))
        for each in (TaskSpec(limits=room), replace(volume, limits=room))
    ]
    await engine.create(TaskSpec())
    await engine.create(other)
    beside = asyncio.ensure_future(engine.create(volume))  # the one that waits decides for it
    await asyncio.sleep(0)
    assert not any(each.done() for each in (*waiting, beside))
    placer.room.set()
    await asyncio.gather(*waiting, beside)
    await engine.close()


async def test_a_network_stays_where_it_is_while_a_late_member_lives() -> None:
    engine, placer = cluster(2)
    await engine.start()
    member = Membership("net", ("a",))
    first = await engine.create(TaskSpec(membership=member))
    await engine.create(TaskSpec())
    late = cast("ClusterTask", await engine.create(TaskSpec()))
    assert node_of(late) == node_of(first) == "n0"
    await late.join(Membership("net", ("b",)))
    await first.kill()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    await engine.create(TaskSpec(membership=member))
    assert placer.asked[-1] == ["n0"]
    await engine.close()


class Small(Turns):
    """Has room for one sandbox at a time."""

    async def place(self, spec: TaskSpec, among: Collection[Node]) -> Placement:
        if self.held:
            raise StoreFull("others use it", forgetting_helps=False)
        return await super().place(spec, among)


async def test_a_sandbox_is_replaced_in_its_place_although_there_is_no_other() -> None:
    placer = Small([FakeEngine(clock=VirtualClock())])
    engine = ClusterEngine(placer, VirtualClock())
    await engine.start()
    spec = TaskSpec(volumes=(VolumeMount("v", "/v"),), requests=Requests(cpus=1.0))
    first = cast("ClusterTask", await engine.create(spec))
    await write(first, "/root/file", "made")
    snapshot = await first.snapshot()

    with pytest.raises(UnknownImage):
        await first.create_replacement(replace(spec, image=Snapshot("9:none")))
    second = cast("ClusterTask", await first.create_replacement(replace(spec, image=snapshot)))

    assert await read(second, "/root/file") == b"made\n"
    await first.kill()
    for _ in range(3):
        await asyncio.sleep(0)
    assert len(placer.held) == 1
    with pytest.raises(StoreFull):
        await engine.create(spec)
    await second.kill()
    for _ in range(3):
        await asyncio.sleep(0)
    assert not placer.held
    third = cast("ClusterTask", await first.create_replacement(spec))  # which has a place anew
    assert len(placer.held) == 1
    await third.kill()
    await engine.close()
