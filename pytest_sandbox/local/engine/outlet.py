"""The way out of one sandbox, as the engine sees it: its listeners, given to the gateway."""

from __future__ import annotations

import os
import socket
import stat
from typing import TYPE_CHECKING

from .links import foreign

if TYPE_CHECKING:
    from pytest_sandbox.engine import Network

    from .links.agent_link import AgentLink
    from .links.gateway_link import GatewayLink


class LocalOutlet:
    """The way out of one sandbox, if it has one.

    Args:
        name: of the sandbox.
        network: where connections may lead; `None` for a sandbox that has no way out.
        gateway: relays them; `None` for a trial, of which only the listeners matter.
    """

    def __init__(self, name: str, network: Network | None, gateway: GatewayLink | None) -> None:
        self._name = name
        self._network = network
        self._gateway = gateway

    async def open(self, link: AgentLink) -> None:
        """Let connections lead out, once the sandbox is built; see `AgentLink.ready`."""
        await link.ready
        listeners, link.listeners = link.listeners, []
        if self._gateway is not None and self._network is not None:
            fitting = [fd for fd in listeners if _is_listener(fd)]
            foreign.close([fd for fd in listeners if fd not in fitting])
            if fitting:
                self._gateway.admit(self._name, fitting, self._network)
        else:
            foreign.close(listeners)

    def task_ended(self) -> None:
        """The sandbox is gone; what is open would keep its network."""
        if self._gateway is not None:
            self._gateway.evict(self._name)


def _is_listener(fd: int) -> bool:
    """Whether it is what was asked for; it comes from a sandbox."""
    if not stat.S_ISSOCK(os.fstat(fd).st_mode):
        return False
    with socket.socket(fileno=os.dup(fd)) as sock:
        return (
            sock.family in (socket.AF_INET, socket.AF_INET6)
            and sock.type == socket.SOCK_STREAM
            and sock.proto == socket.IPPROTO_TCP
            and sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) == 1
        )
