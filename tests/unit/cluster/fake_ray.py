"""A fake of Ray, whose placement groups get a node when a test says."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import Any

from pytest_sandbox.cluster import Node, RayPlacer
from pytest_sandbox.cluster.on_ray.groups import RayGroups
from pytest_sandbox.engine import EngineInfo, Requests, TaskSpec
from pytest_sandbox.fakes import FakeEngine, VirtualClock

ONE_CPU = TaskSpec(requests=Requests(cpus=1.0))


class FakeRay:
    """Placement groups, which are numbers.

    Attributes:
        chosen: the node of each that will be made, by Ray's id; empty for none yet.
        groups: those that are not removed, and what they have.
        selectors: what nodes were allowed for each.
        made: set once there was one.
        removed: set once one was removed.
    """

    def __init__(self, *chosen: str) -> None:
        self.util = self
        self.chosen = list(chosen)
        self.groups: dict[int, dict[str, float]] = {}
        self.selectors: list[Any] = []
        self.made, self.removed = threading.Event(), threading.Event()

    def placement_group(self, bundles: list[Any], bundle_label_selector: Any) -> int:
        self.selectors.append(bundle_label_selector)
        self.groups[len(self.selectors)] = bundles[0]
        self.made.set()
        return len(self.selectors)

    def placement_group_table(self, group: int) -> dict[str, Any]:
        return self._described(self.chosen[group - 1])

    @staticmethod
    def _described(node: str) -> dict[str, Any]:
        return {
            "state": "CREATED" if node else "PENDING",
            "bundles_to_node_id": {0: node},
            "stats": {"scheduling_state": "FINISHED" if node else "NO_RESOURCES"},
        }

    def remove_placement_group(self, group: int) -> None:
        self.groups.pop(group, None)
        self.removed.set()


class RoomyRay(FakeRay):
    """A fake of Ray that has as much room as it says, and counts who uses it.

    Args:
        totals: what each node has, by Ray's id.

    Attributes:
        totals: the same; what it is told.
        asked: how many groups were asked for.
        events: what was asked for, and removed, in this order.
        others: what others use of each node.
    """

    def __init__(self, totals: dict[str, dict[str, float]]) -> None:
        super().__init__()
        self.totals = totals
        self.asked = 0
        self.events: list[str] = []
        self.others: dict[str, dict[str, float]] = {}
        self._nodes: dict[int, str] = {}
        self._lock = threading.Lock()

    def placement_group(self, bundles: list[Any], bundle_label_selector: Any) -> int:
        with self._lock:
            self.asked += 1
            self.groups[self.asked] = bundles[0]
            self.events.append(f"asked {self.asked}")
            return self.asked

    def placement_group_table(self, group: int) -> dict[str, Any]:
        with self._lock:
            for each in self.groups:
                self._nodes.setdefault(each, self._place(each))
                if not self._nodes[each]:
                    del self._nodes[each]
            return self._described(self._nodes.get(group, ""))

    def remove_placement_group(self, group: int) -> None:
        with self._lock:
            del self.groups[group]
            self._nodes.pop(group, None)
            self.events.append(f"removed {group}")

    def _place(self, group: int) -> str:
        wanted = self.groups[group]
        for name, total in self.totals.items():
            used = [self.others.get(name, {})]
            used += [self.groups[each] for each, at in self._nodes.items() if at == name]
            if all(
                total.get(key, 0.0) - sum(each.get(key, 0.0) for each in used) >= amount
                for key, amount in wanted.items()
            ):
                return name
        return ""


def node(name: str) -> Node:
    return Node(name, FakeEngine(), EngineInfo("fake", "in memory", frozenset()))


def placer_of(ray: FakeRay, *names: str) -> tuple[RayPlacer, Any]:
    """A placer that knows nodes of these names, each with a processor; and its nodes."""
    placer = RayPlacer("ray", {}, clock := VirtualClock())

    async def closed() -> None:
        pass

    nodes: Any = SimpleNamespace(
        engines={name: node(name) for name in names},
        totals={name: {"CPU": 1.0} for name in names},
        simulates_gpus=False,
        close=closed,
    )
    placer._ray, placer._nodes = ray, nodes
    placer._groups = RayGroups(ray, placer._calls, clock)
    return placer, nodes
