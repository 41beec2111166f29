"""What sandboxes on one node share: the first of them decides which node it is."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

from pytest_sandbox.engine import Unsupported

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from pytest_sandbox.engine import Membership, TaskSpec

    from .placer import Node


class Anchor:
    """A volume, or a network of sandboxes.

    Args:
        words: what it is, for people.

    Attributes:
        node: where it is; `None` until a sandbox decides.
        sandboxes: how many have it, or wait for a place.
    """

    def __init__(self, words: str) -> None:
        self.words = words
        self.node: Node | None = None
        self.sandboxes = 0
        self.deciding = asyncio.Lock()


class Anchors:
    """The volumes and networks of a cluster."""

    def __init__(self) -> None:
        self._volumes: dict[str, Anchor] = {}
        self._networks: dict[str, Anchor] = {}

    def enter(self, spec: TaskSpec) -> list[Anchor]:
        """Those of a sandbox that is to be created; `leave` when it has ended."""
        # A volume may be mounted twice.
        anchors = [self._volume(name) for name in {each.volume: 0 for each in spec.volumes}]
        if spec.membership is not None:
            anchors.append(self._network(spec.membership.network))
        for anchor in anchors:
            anchor.sandboxes += 1
        return anchors

    def leave(self, anchors: Sequence[Anchor]) -> None:
        """A sandbox has ended, or was not created; a network of none is forgotten."""
        for anchor in anchors:
            anchor.sandboxes -= 1
        self._networks = {name: each for name, each in self._networks.items() if each.sandboxes}

    def join(self, membership: Membership, node: Node) -> list[Anchor]:
        """Those of a sandbox that has a node already, and joins a network.

        Raises:
            Unsupported: the network is on another node.
        """
        anchor = self._networks.get(membership.network)
        if anchor is not None and anchor.node not in (None, node):
            assert anchor.node is not None
            raise Unsupported(
                "network of several machines",
                f"this sandbox is on {node.name}, and its network on {anchor.node.name}: name the "
                "network when the sandbox is created",
            )
        anchor = self._network(membership.network)
        anchor.node = node
        anchor.sandboxes += 1
        return [anchor]

    def forget_volume(self, volume: str) -> Node | None:
        """The node that a volume was on; `None` if on none."""
        anchor = self._volumes.pop(volume, None)
        return None if anchor is None else anchor.node

    def lose(self, node: Node) -> None:
        """Let the next sandbox decide where what was on a node is to be, which is gone."""
        for anchor in (*self._volumes.values(), *self._networks.values()):
            if anchor.node is node:
                anchor.node = None

    def _volume(self, name: str) -> Anchor:
        return self._volumes.setdefault(name, Anchor(f"the volume {name}"))

    def _network(self, name: str) -> Anchor:
        return self._networks.setdefault(name, Anchor("its network"))


@asynccontextmanager
async def undisputed(anchors: Sequence[Anchor]) -> AsyncIterator[None]:
    """Let nobody else decide where anchors are that are nowhere yet.

    Others that need one of these wait; who needs another one does not.
    """
    async with AsyncExitStack() as stack:
        for anchor in sorted(anchors, key=lambda each: each.words):
            if anchor.node is None:
                await stack.enter_async_context(anchor.deciding)
        yield
