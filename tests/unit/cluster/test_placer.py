"""How places of Ray are taken and given back, with a fake of Ray that has room when a test says."""

from __future__ import annotations

import asyncio

import pytest

from pytest_sandbox.cluster import NodesChanged
from pytest_sandbox.cluster.on_ray.groups import RayGroup
from pytest_sandbox.engine import EngineUnavailable

from .fake_ray import ONE_CPU, FakeRay, node, placer_of

pytestmark = pytest.mark.asyncio


async def test_a_node_that_ray_knew_first_is_taken_in() -> None:
    ray = FakeRay("new", "new")
    placer, nodes = placer_of(ray, "old")

    async def look(node_id: str) -> None:
        assert node_id == "new"
        nodes.engines["new"], nodes.totals["new"] = node("new"), {"CPU": 1.0}

    nodes.look = look
    with pytest.raises(NodesChanged):
        await placer.place(ONE_CPU, list(nodes.engines.values()))
    assert not ray.groups
    placement = await placer.place(ONE_CPU, list(nodes.engines.values()))
    assert placement.node is nodes.engines["new"]
    assert ray.selectors == [None, None]
    assert list(ray.groups) == [2]
    await placement.release()
    await placement.release()
    await placer.groups.close()
    assert not ray.groups


async def test_a_node_that_joined_while_a_sandbox_waited_has_it_only_if_it_can() -> None:
    ray = FakeRay("joined")
    placer, nodes = placer_of(ray, "with its volume")
    among = list(nodes.engines.values())
    nodes.engines["joined"] = node("joined")  # after it was seen what is possible

    async def look(node_id: str) -> None:
        pass

    nodes.look = look
    with pytest.raises(NodesChanged):
        await placer.place(ONE_CPU, among)
    assert not ray.groups


async def test_a_node_without_an_engine_is_not_chosen() -> None:
    ray = FakeRay("good")
    placer, nodes = placer_of(ray, "good")
    nodes.totals["without"] = {"CPU": 8.0}
    await placer.place(ONE_CPU, list(nodes.engines.values()))
    assert ray.selectors == [[{"ray.io/node-id": "in(good)"}]]


async def test_a_node_without_an_engine_is_not_chosen_while_another_one_dies() -> None:
    ray = FakeRay("good")
    placer, nodes = placer_of(ray, "good", "dying")
    nodes.totals = {"good": {"CPU": 1.0}, "without": {"CPU": 8.0}}  # Ray knows first of the death
    await placer.place(ONE_CPU, list(nodes.engines.values()))
    assert ray.selectors == [[{"ray.io/node-id": "in(good,dying)"}]]


class Failing(FakeRay):
    """Ray whose control store is gone."""

    def remove_placement_group(self, group: int) -> None:
        raise RuntimeError("the GCS is gone")

    placement_group_table = remove_placement_group  # type: ignore[assignment]


async def test_what_ray_raises_is_said_of_the_cluster() -> None:
    placer, nodes = placer_of(Failing("good"), "good")
    with pytest.raises(EngineUnavailable, match="Ray does not do what it should: the GCS is gone"):
        await placer.place(ONE_CPU, list(nodes.engines.values()))


async def test_a_sandbox_ends_although_ray_takes_nothing_back(
    caplog: pytest.LogCaptureFixture,
) -> None:
    placer, nodes = placer_of(Failing("good"), "good")
    placement = placer._placed(nodes.engines["good"], RayGroup(1, "good", {"CPU": 1.0}, 0.0))
    await placement.release()
    assert "could not be given back: Ray does not do what it should" in caplog.text
    assert not placer._places


async def test_who_gives_up_waiting_takes_nothing() -> None:
    ray = FakeRay("")
    placer, nodes = placer_of(ray, "full")
    waiting = asyncio.ensure_future(placer.place(ONE_CPU, list(nodes.engines.values())))
    assert await asyncio.to_thread(ray.made.wait, 30)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert await asyncio.to_thread(ray.removed.wait, 30)
    assert not ray.groups
