"""Placement groups that sandboxes take over from others, and when they go back to Ray."""

from __future__ import annotations

import asyncio
import random
import threading
from typing import TYPE_CHECKING, Any

import pytest

from pytest_sandbox.cluster import NodesChanged
from pytest_sandbox.cluster.on_ray import groups as groups_module
from pytest_sandbox.cluster.on_ray.groups import KEPT, LIFE, RayGroup, RayGroups
from pytest_sandbox.cluster.on_ray.ray_calls import RayCalls
from pytest_sandbox.engine import EngineUnavailable
from pytest_sandbox.fakes import VirtualClock

from .fake_ray import RoomyRay

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.asyncio
CPU = {"CPU": 1.0}
H100 = {"GPU": 1.0, "accelerator_type:H100": 0.001}
A100 = {"GPU": 1.0, "accelerator_type:A100": 0.001}


class Taking:
    """The groups of a run on a cluster that has some room."""

    def __init__(self, **totals: dict[str, float]) -> None:
        self.ray = RoomyRay(totals)
        self.clock = VirtualClock()
        self.calls = RayCalls(4)
        self.groups = RayGroups(self.ray, self.calls, self.clock)

    async def get(self, bundle: dict[str, float], *names: str) -> RayGroup:
        among = {name: self.ray.totals[name] for name in names or self.ray.totals}
        return await self.groups.get(bundle, among, others=False)

    async def life(self, bundle: dict[str, float], *names: str) -> None:
        await self.groups.release(await self.get(bundle, *names))

    async def until(self, event: str) -> None:
        """Wait for something that happens by itself."""
        await eventually(lambda: event in self.ray.events)

    async def waiting(self, bundle: dict[str, float]) -> asyncio.Task[RayGroup]:
        """One that waits for room."""
        before = len(self.groups._waiting)
        task = asyncio.ensure_future(self.get(bundle))
        await eventually(lambda: len(self.groups._waiting) > before)
        return task


async def eventually(condition: Callable[[], bool]) -> None:
    """Return once a condition holds, which other threads bring about."""
    for _ in range(30_000):
        if condition():
            return
        await asyncio.sleep(0.001)
    raise AssertionError("it does not happen")


async def test_twenty_equal_sandboxes_ask_ray_once() -> None:
    run = Taking(n={"CPU": 4.0})
    for _ in range(20):
        await run.life(CPU)
    assert run.ray.events == ["asked 1"]


async def test_sandboxes_that_live_at_the_same_time_have_each_its_own() -> None:
    run = Taking(n={"GPU": 2.0, "accelerator_type:H100": 1.0})
    first, second = [await run.get(H100) for _ in range(2)]
    assert first.made != second.made
    await run.groups.release(first)
    third = await run.get(H100)
    assert third is first
    assert run.ray.asked == 2


async def test_what_is_kept_goes_back_after_a_moment() -> None:
    run = Taking(n={"CPU": 4.0})
    await run.life(CPU)
    await run.clock.advance(KEPT / 2)
    await run.life(CPU)  # from here on it is kept anew
    await run.clock.advance(KEPT / 2)
    await run.life(CPU)
    assert run.ray.events == ["asked 1"]
    await run.clock.advance(KEPT)
    await run.until("removed 1")
    assert not run.ray.groups


async def test_one_that_was_used_for_long_goes_back_so_that_other_runs_get_their_turn() -> None:
    run = Taking(n={"CPU": 4.0})
    group = await run.get(CPU)
    await run.clock.advance(LIFE)
    await run.groups.release(group)
    assert run.ray.events == ["asked 1", "removed 1"]


async def test_a_sandbox_of_another_shape_leaves_it_while_there_is_room_beside() -> None:
    run = Taking(n={"CPU": 3.0})
    for _ in range(3):
        await run.life(CPU)
        await run.life({"CPU": 2.0})
    assert run.ray.events == ["asked 1", "asked 2"]


@pytest.mark.parametrize(
    ("kept", "wanted", "total"),
    [
        (CPU, {"CPU": 3.0}, {"CPU": 3.0}),
        (H100, A100, {"GPU": 1.0, "accelerator_type:H100": 1.0, "accelerator_type:A100": 1.0}),
        (H100, {"GPU": 1.0}, {"GPU": 1.0, "accelerator_type:H100": 1.0}),
    ],
)
async def test_what_is_in_the_way_of_another_shape_goes_back_before_ray_is_asked(
    kept: dict[str, float], wanted: dict[str, float], total: dict[str, float]
) -> None:
    run = Taking(n=total)
    await run.life(kept)
    await run.get(wanted)
    assert run.ray.events == ["asked 1", "removed 1", "asked 2"]


async def test_what_is_not_in_the_way_stays() -> None:
    run = Taking(gpus=dict(H100), processors={"CPU": 1.0, "memory": 1.0})
    await run.life(H100)
    await run.life(CPU)
    await run.life({"memory": 1.0})
    assert run.ray.events == ["asked 1", "asked 2", "asked 3"]


async def test_a_sandbox_that_has_to_be_on_another_node_does_not_take_it() -> None:
    run = Taking(one=dict(CPU), other=dict(CPU))
    await run.life(CPU, "one")
    run.ray.others["one"] = dict(CPU)  # Ray itself is not told here where it has to be
    group = await run.get(CPU, "other")
    assert (group.made, group.node_id) == (2, "other")


async def test_who_waits_because_of_others_gets_what_is_kept() -> None:
    run = Taking(n={"CPU": 4.0})
    await run.life(CPU)
    run.ray.others["n"] = dict(CPU)
    group = await run.get({"CPU": 3.0})  # for which this run itself would leave room
    assert group.made == 2
    assert "removed 1" in run.ray.events


async def test_while_somebody_waits_nothing_is_kept_from_it() -> None:
    run = Taking(n={"CPU": 2.0})
    first, second = [await run.get(CPU) for _ in range(2)]
    waiting = await run.waiting({"CPU": 2.0})
    await run.groups.release(first)
    assert run.ray.events[-1] == "removed 1"
    await run.groups.release(second)
    assert (await waiting).made == 3


async def test_who_waits_for_the_same_takes_it_over_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Ray is not asked a second time.
    monkeypatch.setattr(groups_module, "FIRST_PAUSE", 3600.0)
    monkeypatch.setattr(groups_module, "LONGEST_PAUSE", 3600.0)
    run = Taking(n={"CPU": 1.0})
    first = await run.get(CPU)
    one, two = await run.waiting(CPU), await run.waiting(CPU)
    await run.groups.release(first)
    assert await one is first
    assert not two.done()
    await run.groups.release(first)
    assert await two is first
    await run.until("removed 2")
    await run.until("removed 3")
    assert list(run.ray.groups) == [1]


async def test_what_was_handed_to_one_that_gave_up_is_not_lost() -> None:
    run = Taking(n={"CPU": 1.0})
    first = await run.get(CPU)
    waiting = await run.waiting(CPU)
    await run.groups.release(first)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await run.until("removed 2")
    assert await run.get(CPU) is first


async def test_who_waits_for_a_node_that_is_gone_waits_no_longer() -> None:
    run = Taking(gpus=dict(H100), processors=dict(CPU))
    used = [await run.get(H100), await run.get(CPU)]
    gpu, cpu = await run.waiting(H100), await run.waiting(CPU)
    await run.groups.lose({"processors"})
    with pytest.raises(NodesChanged, match="no node is left for 1 GPU, H100"):
        await gpu
    assert not cpu.done()
    await run.groups.release(used[1])
    assert await cpu is used[1]
    await eventually(lambda: list(run.ray.groups) == [1, 2])


async def test_who_waits_when_the_run_ends_waits_no_longer() -> None:
    run = Taking(n={"CPU": 1.0})
    used = await run.get(CPU)
    waiting = await run.waiting(CPU)
    await run.groups.close()
    with pytest.raises(EngineUnavailable, match="the run on the Ray cluster is over"):
        await waiting
    with pytest.raises(EngineUnavailable, match="the run on the Ray cluster is over"):
        await run.get(CPU)
    await run.groups.release(used)
    await eventually(lambda: not run.ray.groups)


@pytest.mark.parametrize("how", ["get", "release"])
async def test_what_goes_back_while_its_caller_is_cancelled_does_go_back(how: str) -> None:
    """Even if no thread has begun with it, and no task."""
    run = Taking(n={"CPU": 1.0, "memory": 1.0})
    group = await run.get(CPU)
    if how == "get":
        await run.groups.release(group)  # it is kept, and in the way
    else:
        await run.clock.advance(LIFE)
    busy = threading.Event()
    holding = [asyncio.ensure_future(run.calls(busy.wait)) for _ in range(4)]
    await asyncio.sleep(0)
    both = {"CPU": 1.0, "memory": 1.0}
    giving = run.get(both) if how == "get" else run.groups.release(group)
    task = asyncio.ensure_future(giving)
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    busy.set()
    await asyncio.gather(*holding)
    await run.until("removed 1")


async def test_what_was_on_a_node_that_is_gone_goes_back() -> None:
    run = Taking(dead=dict(CPU), live=dict(CPU))
    one, other = [await run.get(CPU) for _ in range(2)]
    for group in (one, other):
        await run.groups.release(group)
    await run.groups.lose({"live"})
    assert list(run.ray.groups) == [other.made]


async def test_the_end_of_the_run_gives_everything_back() -> None:
    run = Taking(n={"CPU": 2.0})
    used = await run.get(CPU)
    await run.life(CPU)
    await run.groups.close()
    assert list(run.ray.groups) == [used.made]
    await run.groups.release(used)
    assert not run.ray.groups


async def test_only_so_many_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(groups_module, "MOST", 2)
    run = Taking(n={"CPU": 4.0})
    for group in [await run.get(CPU) for _ in range(4)]:
        await run.groups.release(group)
    assert list(run.ray.groups) == [3, 4]


@pytest.mark.parametrize("seed", range(8))
async def test_whatever_the_order_nobody_shares_and_everybody_gets_a_place(seed: int) -> None:
    chance = random.Random(seed)
    totals = {"a": {"CPU": 3.0, "GPU": 1.0}, "b": {"CPU": 2.0, "memory": 2.0}}
    shapes: list[dict[str, float]] = [CPU, {"CPU": 2.0}, {"GPU": 1.0}, {"CPU": 1.0, "memory": 1.0}]
    run = Taking(**totals)
    used: set[Any] = set()

    async def worker() -> None:
        for _ in range(6):
            group = await run.get(chance.choice(shapes))
            assert group.made not in used
            used.add(group.made)
            assert group.made in run.ray.groups
            for _ in range(chance.randrange(4)):
                await asyncio.sleep(0)
            used.discard(group.made)
            await run.groups.release(group)

    await asyncio.gather(*(worker() for _ in range(6)))
    await run.groups.close()
    assert not run.groups._asked
    assert not run.groups._waiting
    # What was pending when something else was there first is removed in the background.
    await eventually(lambda: not run.ray.groups)
