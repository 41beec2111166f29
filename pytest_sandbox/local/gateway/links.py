"""Which sandboxes see each other."""

from __future__ import annotations

import select
import socket

from pytest_sandbox._shared.network.members import Members

from ..protocol import foreign
from .peer_ports import PeerPorts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..protocol.gateway import AliasesRequest, JoinRequest


class Links:
    """The networks of sandboxes, and what their members are reached by.

    Args:
        epoll: watches sockets to agents.
    """

    def __init__(self, epoll: select.epoll) -> None:
        self._epoll = epoll
        self._ports: dict[str, PeerPorts] = {}
        self._by_fd: dict[int, PeerPorts] = {}
        self._networks: dict[str, Members[PeerPorts]] = {}
        self._joined: dict[str, JoinRequest] = {}

    def take(self, name: str, sockets: list[socket.socket]) -> list[socket.socket]:
        """Keep the socket to the agent of a sandbox; returns the others."""
        to_agent = [sock for sock in sockets if sock.family == socket.AF_UNIX]
        for sock in to_agent[:1]:
            self._ports[name] = self._by_fd[sock.fileno()] = PeerPorts(sock)
            self._epoll.register(sock, select.EPOLLIN)
        for sock in to_agent[1:]:  # one of an agent that a hostile program took over
            foreign.close_unix_socket(sock)
        return [sock for sock in sockets if sock not in to_agent]

    def join(self, request: JoinRequest) -> Members[PeerPorts]:
        """Make a sandbox a member; returns the network."""
        members = self._network(request.network)
        if request.name in self._ports:
            members.add(self._ports[request.name], request.aliases)
            self._joined[request.name] = request
        return members

    def remember(self, request: AliasesRequest) -> None:
        """Know aliases that a network has had before there was this gateway."""
        self._network(request.network).remember(request.aliases)

    def _network(self, name: str) -> Members[PeerPorts]:
        return self._networks.setdefault(name, Members())

    def leave(self, name: str) -> None:
        """A sandbox has ended: end what leads to it."""
        ports = self._ports.pop(name, None)
        if ports is None:
            return
        if (request := self._joined.pop(name, None)) is not None and not self._networks[
            request.network
        ].remove(ports, request.aliases):
            del self._networks[request.network]
        if self._by_fd.pop(ports.fileno(), None) is not None:
            self._epoll.unregister(ports)
        ports.close()

    def serve(self, fd: int) -> None:
        """Take what an agent has answered, if there still is one."""
        ports = self._by_fd.get(fd)
        if ports is None:
            return
        try:
            ports.serve()
        except ConnectionError:
            # The sandbox has ended, which the engine is going to say, or its agent makes no sense.
            del self._by_fd[fd]
            self._epoll.unregister(fd)
            ports.fail()
