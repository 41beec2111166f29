"""The gateway's loop: turns for each sandbox, and what the engine says in between.

It is a process of its own, so that programs which use the network as much as they can take
processor time from each other and not from the engine. In it, every sandbox with something to do
has a bounded turn, one after the other.
"""

from __future__ import annotations

import select
import signal
import socket
import sys

from pytest_sandbox._shared.network.faults import FaultTable
from pytest_sandbox._shared.network.reach import Reach

from ..kernel.network.own_addresses import RouteLookup
from ..kernel.process_title import set_title
from ..protocol import gateway as messages
from ..protocol import wire
from ..protocol.common import Succeeded
from .links import Links
from .lookups import LookupResults
from .outlet import Outlet
from .outlet_faults import OutletFaults
from .relay import OutOfDescriptors

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..protocol.message import Message

#: Seconds until a sandbox accepts again that found no descriptors.
_PAUSE = 0.05
#: How often room is made for the descriptors of one sandbox, before it has to wait.
_TRIES = 4
#: Sandboxes that are served before the engine is listened to again.
_TURN = 64


class Gateway:
    """Relays connections of all sandboxes of one engine until its socket closes."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._routes = RouteLookup()
        self._epoll = select.epoll()
        self._results = LookupResults()
        for fd in (sock.fileno(), self._results.fd):
            self._epoll.register(fd, select.EPOLLIN)
        self._faults = FaultTable()
        self._names: dict[str, Outlet] = {}
        self._outlets: dict[int, Outlet] = {}
        self._links = Links(self._epoll)
        self._paused: set[Outlet] = set()

    def run(self) -> None:
        """Serve; returns when the engine has closed the socket."""
        while True:
            events = self._epoll.poll(self._wait(), _TURN)
            paused, self._paused = self._paused, set()
            for outlet in paused:
                outlet.resume()
            # First: a program may rely on what the engine has said already.
            while _is_readable(self._sock):
                if not self._listen():
                    return
            for fd, _ in events:
                if fd == self._results.fd:
                    self._results.take()
                elif fd in self._outlets:
                    self._serve(self._outlets[fd])
                elif fd != self._sock.fileno():
                    self._links.serve(fd)
            for outlet in [one for one in self._names.values() if one.ready]:
                self._serve(outlet)

    def _wait(self) -> float | None:
        """Seconds until something is to be done without an event; none if there is nothing."""
        if self._paused:
            return _PAUSE
        waits = [wait for outlet in self._names.values() if (wait := outlet.give_up()) is not None]
        return min(waits, default=None)

    def _listen(self) -> bool:
        """Take a message of the engine; False at the end."""
        message, number, fds = wire.receive_request(self._sock, messages.ENGINE_TO_GATEWAY)
        if isinstance(message, messages.AdmitRequest):
            sockets = [socket.socket(fileno=fd) for fd in fds]
            sockets = self._links.take(message.name, sockets)
            reach = Reach(message.cidrs, message.domains, self._routes.leads_elsewhere)
            outlet = Outlet(
                sockets, reach, self._results, OutletFaults(self._faults, message.groups)
            )
            self._names[message.name] = self._outlets[outlet.fileno()] = outlet
            self._epoll.register(outlet, select.EPOLLIN)
        elif isinstance(message, messages.AliasesRequest):
            self._links.remember(message)
        elif isinstance(message, messages.JoinRequest):
            members = self._links.join(message)
            self._names[message.name].join(members, message.aliases)
        elif isinstance(message, messages.ChangeRequest):
            reach = Reach(message.cidrs, message.domains, self._routes.leads_elsewhere)
            self._names[message.name].change(reach)
            wire.send(self._sock, Succeeded(), number=number)
        elif isinstance(message, messages.LogRequest):
            wire.send(self._sock, self._names[message.name].log(), number=number)
        elif isinstance(message, messages.EvictRequest):
            outlet = self._names.pop(message.name)
            self._links.leave(message.name)
            wire.send(self._sock, outlet.log(), number=number)
            del self._outlets[outlet.fileno()]
            self._paused.discard(outlet)
            self._epoll.unregister(outlet)
            outlet.close()
        elif message is not None:
            self._plan(message, number)
        return message is not None

    def _plan(self, message: Message, number: int) -> None:
        """Set faults or clear them, or say what they did."""
        if isinstance(message, messages.GroupsRequest):
            self._names[message.name].faults.groups = message.groups
            return
        if isinstance(message, messages.FaultCountsRequest):
            counts = self._faults.counts(message.ids)
            answer = messages.FaultCountsAnswer(
                seen={each: seen for each, (seen, _) in counts.items()},
                fired={each: fired for each, (_, fired) in counts.items()},
            )
            wire.send(self._sock, answer, number=number)
            return
        if isinstance(message, messages.FaultRequest):
            self._faults.set(message)
            for outlet in self._names.values():
                relays = [(one, entry) for one, (_, entry) in outlet.relays.items()]
                outlet.faults.set(message, relays)
        elif isinstance(message, messages.ClearFaultsRequest):
            self._faults.clear(message.ids)
            for outlet in self._names.values():
                outlet.faults.clear(message.ids, list(outlet.relays))
        wire.send(self._sock, Succeeded(), number=number)

    def _serve(self, outlet: Outlet) -> None:
        for _ in range(_TRIES):
            try:
                outlet.serve()
                return
            except OutOfDescriptors:  # noqa: PERF203 - the loop is about the errors
                # The sandbox that has the most connections makes room.
                busiest = max(self._names.values(), key=lambda one: len(one.relays))
                if busiest is outlet or not busiest.relays:
                    break
                busiest.yield_one()
        outlet.pause()
        self._paused.add(outlet)


def _is_readable(sock: socket.socket) -> bool:
    """Whether there is a message, or the end."""
    try:
        sock.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except BlockingIOError:
        return False
    except ConnectionResetError:  # see `wire.receive`: it is told once, before what came last
        return True
    return True


def main() -> None:
    """Be the gateway; the number of the socket to the engine is the first argument."""
    # Interrupts are for the engine, which then closes the socket.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sock = socket.socket(fileno=int(sys.argv[1]))
    set_title("pytest-sandbox gateway")
    Gateway(sock).run()
