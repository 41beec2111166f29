"""How nodes of Ray are taken in: who waits for which, and one that is gone at once."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from pytest_sandbox.cluster import Node
from pytest_sandbox.cluster.on_ray import nodes as nodes_module
from pytest_sandbox.cluster.on_ray.nodes import RayNodes
from pytest_sandbox.engine import EngineInfo, EngineUnavailable
from pytest_sandbox.fakes import FakeEngine

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

pytestmark = pytest.mark.asyncio
INFO = EngineInfo("fake", "in memory", frozenset())
ADDRESS = "grpc://token@127.0.0.1:1"


def nothing(*_: object) -> None:
    pass


def ray_of(*names: str) -> Any:
    listed = [
        {"NodeID": name, "Alive": True, "NodeManagerAddress": name, "Resources": {}}
        for name in names
    ]
    return SimpleNamespace(nodes=lambda: listed)


class Slow(RayNodes):
    """Nodes whose engines start when a test says."""

    def __init__(self, *names: str) -> None:
        super().__init__(ray_of(*names), {}, nothing, nothing)
        self.starts: dict[str, asyncio.Event] = defaultdict(asyncio.Event)
        self.looks = asyncio.Semaphore(0)

    async def _look(self) -> None:
        await super()._look()
        self.looks.release()

    async def _take(self, listed: Mapping[str, Any]) -> None:
        name = listed["NodeID"]
        await self.starts[name].wait()
        self.engines[name] = Node(name, FakeEngine(), INFO)


async def test_who_gives_up_waiting_for_a_node_is_in_the_way_of_nobody() -> None:
    nodes = Slow("new")
    first, second = (asyncio.ensure_future(nodes.look("new")) for _ in range(2))
    for _ in range(2):
        await nodes.looks.acquire()
    await asyncio.sleep(0)  # both wait
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    nodes.starts["new"].set()
    await second
    assert "new" in nodes.engines


async def test_a_node_is_not_waited_for_by_who_needs_another() -> None:
    nodes = Slow("stuck", "new")
    nodes.starts["new"].set()
    await nodes.look("new")
    assert list(nodes.engines) == ["new"]
    await nodes.close()


async def test_nodes_that_do_not_answer_are_named_before_the_run_gives_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("START", "FIRST"):
        monkeypatch.setattr(nodes_module, name, 0.01)
    nodes = Slow("stuck")
    with pytest.raises(EngineUnavailable, match="stuck: it has not answered yet"):
        await nodes.start()
    await nodes.close()


async def test_a_node_that_is_gone_when_its_engine_has_started_is_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    joined: list[Node] = []
    closed: list[FakeEngine] = []

    class Brief(FakeEngine):
        over: Callable[[str], object]

        async def start(self) -> EngineInfo:
            self.over("its plug was pulled")
            return INFO

        async def close(self) -> None:
            closed.append(self)

    def engine(_: object, __: object, over: Callable[[str], object], ___: str) -> Brief:
        made = Brief()
        made.over = over
        return made

    monkeypatch.setattr(nodes_module, "remote_engine", engine)
    nodes = RayNodes(ray_of("brief"), {}, joined.append, nothing)
    monkeypatch.setattr(nodes, "_address_of", lambda *_: ADDRESS)
    await nodes.look("brief")
    assert not joined
    assert not nodes.engines
    assert nodes._failed == {"brief": "it is gone: its plug was pulled"}
    await asyncio.sleep(0)
    assert len(closed) == 1
