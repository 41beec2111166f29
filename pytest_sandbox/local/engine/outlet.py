"""The way out of one sandbox, as the engine sees it: its listeners, given to the gateway."""

from __future__ import annotations

import asyncio
import os
import socket
import stat
from typing import TYPE_CHECKING

from pytest_sandbox.engine import InvalidSpec, Network, NetworkLog, TaskEnded, check_network

from ..protocol import foreign

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from pytest_sandbox.engine import Membership, TaskSpec

    from ..agents.agent_link import AgentLink
    from .links.gateway_link import GatewayLink


class LocalOutlet:
    """The way out of one sandbox, if it has one.

    Args:
        spec: says where connections may lead.
        gateway: relays them; `None` for a trial, of which only the listeners matter.
    """

    def __init__(self, spec: TaskSpec, gateway: GatewayLink | None) -> None:
        self._name = "" if gateway is None else gateway.new_name()
        self._network = network_of(spec)
        self._membership = spec.membership
        self._groups = spec.groups
        self._gateway = gateway
        self._last: asyncio.Future[NetworkLog] | None = None
        self._making = asyncio.Lock()
        self._over = False

    def become(self, spec: TaskSpec) -> None:
        """Before `open`, be in another network of sandboxes, and in other groups."""
        self._membership = spec.membership
        self._groups = spec.groups
        if self._gateway is not None:
            self._gateway.change_groups(self._name, self._groups)

    async def open(self, link: AgentLink) -> None:
        """Let connections lead out, once the sandbox is built; see `AgentLink.ready`.

        Raises:
            OSError: the engine has as many descriptors as it may have.
        """
        await link.ready
        if self._gateway is not None and self._network is not None:
            fitting = [fd for fd in link.listeners if _is_expected(fd)]
            foreign.close([fd for fd in link.listeners if fd not in fitting])
            link.listeners = []
            if fitting:
                self._gateway.admit(self._name, fitting, self._network, self._groups)
            if self._membership is not None:
                self._gateway.join(self._name, self._membership)
        else:
            foreign.close(link.listeners)
            link.listeners = []

    async def join(self, membership: Membership, make: Callable[[], Awaitable[list[int]]]) -> None:
        """Be in a network of sandboxes, once the sandbox is built; see `SupportsSidecars`.

        Args:
            membership: the network, and what the sandbox is called there.
            make: makes a way out, where there is none; what the gateway serves it by.
        """
        if self._membership is not None:
            raise InvalidSpec("the sandbox is in a network of sandboxes already")
        if self._gateway is None:
            raise InvalidSpec("a trial of a sandbox can be in no network")
        if self._network is not None:
            check_network(self._network, member=True)
        self._membership = membership  # at once: meanwhile another call is refused
        try:
            await self._be_open(self._gateway, make)
        except BaseException:
            self._membership = None
            raise
        self._gateway.join(self._name, membership)

    async def change(self, network: Network, make: Callable[[], Awaitable[list[int]]]) -> None:
        """Allow other connections; see `SupportsNetworkChange`.

        Args:
            network: where they may lead.
            make: as for `join`.
        """
        check_network(network, member=self._membership is not None)
        if self._gateway is None:
            raise InvalidSpec("a trial of a sandbox can have no other network")
        await self._be_open(self._gateway, make)
        self._network = network
        await self._gateway.change(self._name, network)

    async def _be_open(
        self, gateway: GatewayLink, make: Callable[[], Awaitable[list[int]]]
    ) -> None:
        """Have a way out, if only to nowhere."""
        async with self._making:
            if self._network is not None:
                return
            sockets = await make()
            if self._over:
                foreign.close(sockets)
                raise TaskEnded("the task has ended")
            network = Network()
            gateway.admit(self._name, sockets, network, self._groups)
            self._network = network

    async def log(self) -> NetworkLog:
        """What the sandbox connected to, also once it has ended."""
        if self._gateway is None or self._network is None:
            return NetworkLog()
        if self._last is None:
            return await self._gateway.log(self._name)
        return await self._last

    def task_ended(self) -> None:
        """The sandbox is gone; what is open would keep its network."""
        self._over = True
        if self._gateway is not None and self._network is not None:
            self._last = self._gateway.evict(self._name)


def network_of(spec: TaskSpec) -> Network | None:
    """Where connections of a sandbox may lead; `None` for one that has no way out.

    One that is in a network of sandboxes has one, if only to there.
    """
    return Network() if spec.network is None and spec.membership is not None else spec.network


def _is_expected(fd: int) -> bool:
    """Whether it is a listener, a socket for questions or one to the agent; a sandbox sent it."""
    if not stat.S_ISSOCK(os.fstat(fd).st_mode):
        return False
    with socket.socket(fileno=os.dup(fd)) as sock:
        if sock.family == socket.AF_UNIX:
            return sock.type == socket.SOCK_SEQPACKET
        if sock.family not in (socket.AF_INET, socket.AF_INET6):
            return False
        if sock.proto == socket.IPPROTO_TCP:
            return sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) == 1
        return sock.proto == socket.IPPROTO_UDP
