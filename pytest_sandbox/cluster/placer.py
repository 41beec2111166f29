"""The nodes of a cluster, and where among them a sandbox is to be."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from pytest_sandbox.engine import Engine, EngineInfo, TaskSpec


@dataclass(frozen=True, eq=False)
class Node:
    """A machine with an engine that is started.

    Attributes:
        name: of the machine, for people; no other node has it.
        engine: its engine.
        info: what the engine is.
    """

    name: str
    engine: Engine
    info: EngineInfo


class NodesChanged(Exception):
    """The nodes are not those that a placer was given: see again which a sandbox can be on."""


class Placement(ABC):
    """A place for one sandbox, held until it is released."""

    #: Where.
    node: Node

    @abstractmethod
    async def release(self) -> None:
        """Let others have what the sandbox used; a second call does nothing."""


class SharedPlacement:
    """A place that a sandbox has, and then the one that replaces it.

    Args:
        placement: the place, for the first of them.
    """

    def __init__(self, placement: Placement) -> None:
        self.node = placement.node
        self._placement = placement
        self._sandboxes = 1

    def share(self) -> bool:
        """Have it for a further sandbox; `False` if it is released already."""
        if self._sandboxes:
            self._sandboxes += 1
        return self._sandboxes > 0

    async def release(self) -> None:
        """One of its sandboxes has ended; others can have it when all have."""
        self._sandboxes -= 1
        if not self._sandboxes:
            await self._placement.release()


class Placer(ABC):
    """Knows the nodes of a cluster, which come and go."""

    #: What the cluster is, for people: `"ray 2.60"`.
    name: str

    @abstractmethod
    async def start(
        self, joined: Callable[[Node], None], left: Callable[[Node, str], None]
    ) -> None:
        """Find the nodes; each has joined on return.

        Args:
            joined: called with each node, also later.
            left: called with a node that is gone, and why, after its tasks have ended.

        Raises:
            EngineUnavailable: there is no cluster, or no node of it can run an engine.
        """

    @abstractmethod
    async def place(self, spec: TaskSpec, among: Collection[Node]) -> Placement:
        """A place for a sandbox.

        Args:
            spec: of the sandbox.
            among: nodes that it can be on; there is at least one.

        Raises:
            EngineUnavailable: none of these nodes is there any more, or the cluster is not.
            NodesChanged: it would be on a node that was not known yet.
            StoreFull: none of them will have what it asks for in a while.
            Unsupported: none of them can ever have it.
        """

    @abstractmethod
    async def close(self) -> None:
        """Release all places, and close the engines of all nodes."""
