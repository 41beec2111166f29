"""What a cluster is for the server of a run: one engine, of what its nodes are."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from pytest_sandbox.engine import Capability

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_sandbox.engine import EngineInfo

    from .placer import Node

#: Names of details, which say why.
NO_GPU, NO_PROJECT = "no GPU", "no project"


def info_of(name: str, nodes: Sequence[Node]) -> EngineInfo:
    """What a cluster is now.

    Args:
        name: of the cluster.
        nodes: that it has; one at least.
    """
    first = nodes[0].info
    no_project = {key: first.details[key] for key in (NO_PROJECT,) if key in first.details}
    return replace(
        first,
        name=name,
        mode=f"{len(nodes)} machine{'s' * (len(nodes) > 1)}, {first.mode}",
        capabilities=_of_all(nodes),
        details={**no_project, **_missing(nodes), **{each.name: _machine(each) for each in nodes}},
        fingerprint=first.fingerprint if are_alike(nodes) else "",
        project="",
        processors=_largest([node.info.processors for node in nodes]),
        memory=_largest([node.info.memory for node in nodes]),
    )


def are_alike(nodes: Sequence[Node]) -> bool:
    """Whether what one node has exported can be loaded by all others."""
    prints = {node.info.fingerprint for node in nodes}
    return len(prints) == 1 and "" not in prints


def _machine(node: Node) -> str:
    return node.info.details.get("machine", "")


def _missing(nodes: Sequence[Node]) -> dict[str, str]:
    """Why the cluster lacks what it lacks, in the words of the nodes that lack it."""
    found: dict[str, dict[str, list[str]]] = {}
    for node in nodes:
        for key, reason in node.info.details.items():
            if key.startswith("no ") and key != NO_PROJECT:
                found.setdefault(key, {}).setdefault(reason, []).append(node.name)
    if sum(map(len, found.get(NO_GPU, {}).values())) < len(nodes):
        found.pop(NO_GPU, None)  # others have some
    return {
        key: "; ".join(f"{', '.join(names)}: {reason}" for reason, names in reasons.items())
        for key, reasons in found.items()
    }


def _of_all(nodes: Sequence[Node]) -> frozenset[Capability]:
    """What a cluster can do: what all nodes can, and what they are chosen for."""
    each = [node.info.capabilities for node in nodes]
    chosen_for = frozenset.union(*each) & {Capability.GPU}
    return (frozenset.intersection(*each) | chosen_for) - {Capability.PROJECT}


def _largest(sizes: list[int | None]) -> int | None:
    """The largest of the nodes; `None` if one of them does not say."""
    known = [size for size in sizes if size is not None]
    return max(known) if len(known) == len(sizes) else None
