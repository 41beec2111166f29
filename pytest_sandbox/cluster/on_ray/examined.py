"""What a cluster of Ray is, for `pytest-sandbox doctor`: its nodes, and their engines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..info import NO_PROJECT
from .connecting import in_words as which
from .placer import RayPlacer
from .resources import KIND, in_words

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..placer import Node

#: What Ray counts of a node that sandboxes ask for.
_ASKED_FOR = ("CPU", "memory", "GPU")


@dataclass(frozen=True)
class ExaminedNode:
    """A node of a cluster.

    Attributes:
        name: of the machine.
        resources: what Ray counts there, for people.
        engine: what its engine is; empty if it has none.
        missing: what that lacks, and why; or why it has none.
    """

    name: str
    resources: str
    engine: str
    missing: tuple[str, ...]


@dataclass(frozen=True)
class ExaminedCluster:
    """A cluster of Ray.

    Attributes:
        where: it is, for people.
        nodes: that it has.
    """

    where: str
    nodes: tuple[ExaminedNode, ...]


async def examined_cluster(address: str) -> ExaminedCluster:
    """What a cluster is. Engines start on its nodes.

    Args:
        address: as for `RayPlacer`.

    Raises:
        EngineUnavailable: it cannot be used, or no node of it can run an engine.
    """
    placer = RayPlacer(address, {})
    try:
        await placer.start(lambda _: None, lambda _, __: None)
        nodes = placer.nodes
        return ExaminedCluster(
            _where(address, starts=placer.starts_cluster),
            tuple(
                _examined(
                    nodes.hosts[node_id],
                    total,
                    nodes.engines.get(node_id),
                    nodes.without_engine.get(node_id, "it is gone just now"),
                )
                for node_id, total in nodes.totals.items()
            ),
        )
    finally:
        await placer.close()


def _where(address: str, *, starts: bool) -> str:
    if starts:
        return "this machine belongs to none; a run starts one for itself, as this check did"
    where = which(address)
    return "the one that this machine belongs to" if where == "ray" else f"the one {where}"


def _examined(
    host: str, total: Mapping[str, float], node: Node | None, why_none: str
) -> ExaminedNode:
    names = (*_ASKED_FOR, *sorted(name for name in total if name.startswith(KIND)))
    counted = {name: total[name] for name in names if name in total}
    resources = in_words(counted) or "Ray counts nothing there"
    if node is None:
        return ExaminedNode(host, resources, "", (why_none,))
    missing = tuple(
        f"{name}: {reason}"
        for name, reason in node.info.details.items()
        if name.startswith("no ") and name != NO_PROJECT
    )
    return ExaminedNode(node.name, resources, node.info.mode, missing)
