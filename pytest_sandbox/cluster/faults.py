"""Faults of connections in a cluster: every node has all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_sandbox._shared.async_tasks import background
from pytest_sandbox.engine import SupportsConnectionFaults, check_connection_fault

from .everywhere import everywhere

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from pytest_sandbox.engine import ConnectionFault

    from .placer import Node


class ClusterFaults:
    """The faults of a cluster.

    Args:
        nodes: those of the cluster, now and later.
    """

    def __init__(self, nodes: Collection[Node]) -> None:
        self._nodes = nodes
        self._faults: dict[str, ConnectionFault] = {}

    def joined(self, node: Node) -> None:
        """Set all faults on a node that has joined."""
        for fault in self._faults.values():
            background(SupportsConnectionFaults.of(node.engine).set_fault(fault))

    async def set(self, fault: ConnectionFault) -> None:
        """Set a fault on all nodes."""
        check_connection_fault(fault)
        self._faults[fault.id] = fault  # first: a node that joins meanwhile has it too
        await everywhere(
            self._nodes,
            self._nodes,
            lambda node: SupportsConnectionFaults.of(node.engine).set_fault(fault),
        )

    async def counts(self, ids: Collection[str]) -> Mapping[str, tuple[int, int]]:
        """How often faults were met, and fired, on all nodes together."""
        counts: dict[str, tuple[int, int]] = {}
        for there in await everywhere(
            self._nodes,
            self._nodes,
            lambda node: SupportsConnectionFaults.of(node.engine).fault_counts(ids),
        ):
            for name, (met, affected) in there.items():
                before = counts.get(name, (0, 0))
                counts[name] = before[0] + met, before[1] + affected
        return counts

    async def clear(self, ids: Collection[str]) -> None:
        """Clear faults on all nodes."""
        for name in ids:
            self._faults.pop(name, None)
        await everywhere(
            self._nodes,
            self._nodes,
            lambda node: SupportsConnectionFaults.of(node.engine).clear_faults(ids),
        )
