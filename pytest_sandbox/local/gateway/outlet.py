"""The way out of one sandbox: accepts its connections, and relays those that are allowed."""

from __future__ import annotations

import contextlib
import errno
import os
import select
import socket
import time

from pytest_sandbox._shared.network.connection_log import ConnectionLog, Destination
from pytest_sandbox._shared.network.domains import canonical
from pytest_sandbox._shared.network.faults import told
from pytest_sandbox._shared.network.members import Members, is_of_members
from pytest_sandbox._shared.network.reach import Reach, plain

from . import relay
from .approach import Approach
from .greeting import Greeting
from .log_answer import log_answer
from .lookups import LookupResults, Lookups
from .original_target import original_target
from .outlet_listeners import OutletListeners
from .relay import OutOfDescriptors, Relay
from .resolver import Resolver

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pytest_sandbox._shared.network.connection_log import DestinationEntry
    from pytest_sandbox._shared.network.faults import Disturbance
    from pytest_sandbox._shared.network.reach import Address

    from ..protocol.gateway import LogAnswer
    from .outlet_faults import OutletFaults
    from .peer_ports import PeerPorts

#: Connections of one sandbox at a time; further ones wait in the queue of its listener.
MOST = 512
#: Connections and events that are handled before other sandboxes have their turn.
_TURN = 16
#: Seconds until a connection counts as failed that the other side does not answer, and one that
#: does not say where it leads.
CONNECT_TIMEOUT, _GREETING_TIMEOUT = 30.0, 30.0
#: Bytes in the kernel for all connections of a sandbox, and for the two directions of the two sides
#: of one: few connections get what the kernel finds best, and many share.
_ROOM, _LEAST = 64 * 1024 * 1024, 16 * 1024
_FREE = 8
#: Descriptors that accept(2) and socket(2) may be out of, the process or the machine.
_NO_DESCRIPTORS = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
#: Where domains lead: they allow TLS, and nothing else has names that could be checked.
_HTTPS = 443


class Outlet:
    """The listeners of a sandbox, and its connections.

    Args:
        sockets: of the sandbox, owned: listeners, and one for questions for names.
        reach: where its connections may lead.
        results: where answers for names come back.
        faults: planned for it.

    Attributes:
        relays: its connections, the oldest first.
        ready: whether there are connections that only lacked descriptors.
        faults: as given.
    """

    def __init__(
        self,
        sockets: list[socket.socket],
        reach: Reach,
        results: LookupResults,
        faults: OutletFaults,
    ) -> None:
        self.faults = faults
        self._reach = reach
        self._log = ConnectionLog()
        self._lookups = Lookups(results)
        self._resolvers = {
            one.fileno(): Resolver(one, reach, self._lookups, self._log, faults.of_question)
            for one in sockets
            if one.type == socket.SOCK_DGRAM
        }
        self._epoll = select.epoll()
        listeners = [one for one in sockets if one.type == socket.SOCK_STREAM]
        self._listeners = OutletListeners(listeners, self._epoll, self._log, MOST)
        self._by_fd: dict[int, Relay | Greeting | Approach] = {}
        self.relays: dict[
            Relay, tuple[float, DestinationEntry]
        ] = {}  # when to give up, and its entry
        self._greetings: dict[Greeting, float] = {}
        self._approaches: dict[Approach, float] = {}
        self._members: Members[PeerPorts] | None = None
        self._leads_to: dict[Relay, PeerPorts] = {}
        self._ready: list[tuple[socket.socket, Address, Destination, Disturbance | None]] = []
        for one in sockets:
            one.setblocking(False)
        for fd in self._resolvers:
            self._epoll.register(fd, select.EPOLLIN)
        self.resume()

    @property
    def ready(self) -> bool:
        """Whether there are connections that can be made at once."""
        return bool(self._ready)

    def fileno(self) -> int:
        """A descriptor that is readable when there is something to do."""
        return self._epoll.fileno()

    def serve(self) -> None:
        """Do a bounded amount of what there is to do.

        Raises:
            OutOfDescriptors: there are none left for a connection; nothing is lost.
        """
        self._connect()
        for fd, events in self._epoll.poll(0, _TURN):
            if (listener := self._listeners.get(fd)) is not None:
                self._accept(listener)
            elif fd in self._resolvers:
                self._resolvers[fd].serve()
            elif fd in self._by_fd:  # not closed by what came before it
                self._by_fd[fd].handle(fd, events)

    def give_up(self) -> float | None:
        """End connections that take too long to be made; the seconds until there is another one."""
        now = time.monotonic()
        waits = []
        for greeting, deadline in list(self._greetings.items()):
            if deadline > now:
                waits.append(deadline - now)
                break
            self._greeted(greeting, "", greeting.give_up())
        for approach, deadline in list(self._approaches.items()):
            if deadline > now:
                waits.append(deadline - now)
                break
            approach.stop()
            self._approached(approach, OSError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT)))
        for one, (deadline, _) in list(self.relays.items()):
            if one.connecting and deadline > now:
                waits.append(deadline - now)
                break
            if one.connecting:
                one.error = errno.ETIMEDOUT
                one.reset()
        if self.faults.give_up(now):
            self.resume()
        return min((*waits, *self.faults.release(self.relays.keys(), now)), default=None)

    def yield_one(self) -> None:
        """End the newest connection, for the sake of other sandboxes."""
        next(reversed(self.relays)).reset()

    def pause(self) -> None:
        """Accept no connection until one has ended."""
        self._listeners.pause()

    def resume(self) -> None:
        """Accept connections, unless there are enough."""
        if self._count() < MOST:
            self._listeners.resume()

    def join(self, members: Members[PeerPorts], aliases: list[str]) -> None:
        """Let connections lead to members of a network of sandboxes too.

        Args:
            members: the network.
            aliases: those of this sandbox.
        """
        self._members = members
        for resolver in self._resolvers.values():
            resolver.join(members, aliases)

    def change(self, reach: Reach) -> None:
        """Allow other connections from now on, and end those that no longer are."""
        self._reach = reach
        for resolver in self._resolvers.values():
            resolver.change(reach)
        waiting, self._ready = self._ready, []
        for inner, address, target, disturbance in waiting:
            if refusal := self._refusal(address, target):
                self._deny(inner, target, refusal)
            else:
                self._ready.append((inner, address, target, disturbance))
        leading_out = [one for one in self.relays.items() if one[0] not in self._leads_to]
        for one, (_, entry) in leading_out:
            if refusal := self._refusal(plain(entry.target.host), entry.target):
                self._log.note(entry.target, "denied", refusal)
                one.reset()

    def log(self) -> LogAnswer:
        """What the sandbox connected to so far."""
        self._listeners.note_waiting()
        for one, (_, entry) in self.relays.items():
            entry.add(*one.take_counts())
        return log_answer(self._log)

    def close(self) -> None:
        """End everything."""
        self.pause()
        self._lookups.close()
        for greeting in self._greetings:
            greeting.stop()
            greeting.inner.close()
        for approach in self._approaches:
            approach.stop()
            approach.inner.close()
        for inner, *_ in self._ready:
            inner.close()
        self.faults.close()
        for one in list(self.relays):
            one.reset()
        self._listeners.close()
        for resolver in self._resolvers.values():
            resolver.close()
        self._epoll.close()

    def _refusal(self, address: Address, target: Destination) -> str:
        """Why a connection that was allowed before is so no longer; empty if it still is."""
        by_name = target.checked and self._reach.names(target.name)
        return self._reach.refusal(address, by_name=by_name)

    def _count(self) -> int:
        made = len(self.relays) + len(self._ready)
        return made + len(self._greetings) + len(self._approaches) + self.faults.lost

    def _accept(self, listener: socket.socket) -> None:
        for _ in range(_TURN):
            if self._count() >= MOST:
                self._listeners.pause(full=True)
                return
            try:
                inner, _ = listener.accept()
            except OSError as error:
                if error.errno in _NO_DESCRIPTORS:
                    raise OutOfDescriptors from error
                return  # there is none any more
            self._decide(inner)
            self._connect()

    def _decide(self, inner: socket.socket) -> None:
        try:
            address, port = original_target(inner)
        except OSError:  # a program connected to the listener itself
            relay.reset(inner)
            return
        inner.setblocking(False)
        if self._members is not None and is_of_members(address):
            alias = self._members.alias_at(address)
            self._approach(inner, self._members, Destination(str(address), port, alias))
            return
        names = [resolver.name_of(address) for resolver in self._resolvers.values()]
        target = Destination(str(address), port, next(filter(None, names), ""))
        refusal = self._reach.refusal(address)
        if not refusal:
            self._allow(inner, address, target)
        elif self._reach.domains and port == _HTTPS:
            self._read_greeting(inner, target)
        else:
            self._deny(inner, target, refusal)

    def _allow(self, inner: socket.socket, address: Address, target: Destination) -> None:
        """Make a connection that is allowed, unless a planned fault says otherwise."""
        disturbance = self.faults.of_connection(target)
        if not self._is_lost(inner, target, disturbance):
            self._ready.append((inner, address, target, disturbance))

    def _is_lost(
        self, inner: socket.socket, target: Destination, disturbance: Disturbance | None
    ) -> bool:
        """Whether a planned fault has ended a connection before it was made."""
        effect = "none" if disturbance is None else disturbance.effect
        if effect == "refuse":
            self._fail(inner, target, told(effect))
        elif effect == "black hole":
            self._log.note(target, "failed", told(effect))
            self.faults.lose(inner, CONNECT_TIMEOUT)
        return effect != "none"

    def _approach(
        self, inner: socket.socket, members: Members[PeerPorts], target: Destination
    ) -> None:
        """Connect to another sandbox."""
        if not target.name:
            self._deny(inner, target, "no sandbox of its network has this address")
        elif (ports := members.get(target.name)) is None:
            self._fail(inner, target, "the sandbox has ended")
        elif not self._is_lost(inner, target, disturbance := self.faults.of_connection(target)):
            one = Approach(
                *(inner, target, ports, self._epoll, self._watched),
                lambda approach, result: self._approached(approach, result, disturbance),
            )
            self._approaches[one] = time.monotonic() + CONNECT_TIMEOUT
            one.start()

    def _watched(self, approach: Approach, fd: int, watched: bool) -> None:
        if watched:
            self._by_fd[fd] = approach
        else:
            del self._by_fd[fd]

    def _approached(
        self,
        approach: Approach,
        result: socket.socket | OSError,
        disturbance: Disturbance | None = None,
    ) -> None:
        del self._approaches[approach]
        if isinstance(result, OSError):
            code = errno.errorcode.get(result.errno or 0, "")
            self._fail(approach.inner, approach.target, code or str(result))
            return
        for sock in (approach.inner, result):
            with contextlib.suppress(OSError):
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                relay.limit_buffers(sock, self._room())
        one = self._relay(approach.inner, result, approach.target)
        if one is not None:
            self._leads_to[one] = approach.ports
            approach.ports.relays.add(one)
            one.disturb(disturbance)

    def _read_greeting(self, inner: socket.socket, target: Destination) -> None:
        try:
            greeting = Greeting(inner, target, self._epoll, self._greeted)
        except OSError:  # see `_relay`
            relay.reset(inner)
            return
        self._greetings[greeting] = time.monotonic() + _GREETING_TIMEOUT
        self._by_fd[inner.fileno()] = greeting

    def _greeted(self, greeting: Greeting, name: str, reason: str) -> None:
        inner, target = greeting.inner, greeting.target
        self._by_fd.pop(inner.fileno(), None)
        if not reason:
            name = canonical(name)
            target = greeting.target = Destination(target.host, target.port, name)
            if self._reach.names(name):
                if (fault := self.faults.of_question(name)) is not None:
                    addresses = [plain(one) for one in fault.addresses]
                    self._found(greeting, target, addresses, by_name=False)
                    return
                self._lookups.start(name, lambda found: self._found(greeting, target, found))
                return
            reason = f"no domain that is allowed is {name[:60]!r}"
        self._greetings.pop(greeting, None)
        self._deny(inner, target, reason)

    def _found(
        self,
        greeting: Greeting,
        target: Destination,
        found: list[Address] | None,
        *,
        by_name: bool = True,
    ) -> None:
        """Connect to an address of a name, whichever the program chose: it may have lied.

        Args:
            greeting: says the name.
            target: with it.
            found: the addresses.
            by_name: whether they are allowed as the name is; not if a planned fault gave them.
        """
        if self._greetings.pop(greeting, None) is None:
            return  # it took too long
        if not self._reach.names(target.name):  # it was allowed when it was asked for
            found = []
        refusals = {one: self._reach.refusal(one, by_name=by_name) for one in found or ()}
        allowed = [one for one, refusal in refusals.items() if not refusal]
        if not allowed:
            first = next(iter(refusals), plain(target.host))
            why = refusals.get(first, "its name has no address")
            refused = Destination(str(first), target.port, target.name)
            self._deny(greeting.inner, refused, why)
            return
        best = next((one for one in allowed if str(one) == target.host), allowed[0])
        checked = Destination(str(best), target.port, target.name, checked=True)
        self._allow(greeting.inner, best, checked)

    def _deny(self, inner: socket.socket, target: Destination, reason: str) -> None:
        self._log.note(target, "denied", reason)
        relay.reset(inner)
        self.resume()

    def _fail(self, inner: socket.socket, target: Destination, reason: str) -> None:
        self._log.note(target, "failed", reason)
        relay.reset(inner)
        self.resume()

    def _connect(self) -> None:
        while self._ready:
            inner, address, target, disturbance = self._ready[0]
            try:
                inner.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                relay.limit_buffers(inner, self._room())
                family = socket.AF_INET if address.version == 4 else socket.AF_INET6
                outer = relay.begin(family, str(address), target.port, self._room())
            except OSError as error:
                if error.errno in _NO_DESCRIPTORS:
                    raise OutOfDescriptors from error
                del self._ready[0]
                self._log.note(target, "failed", error.strerror or "")
                relay.reset(inner)
            else:
                del self._ready[0]
                if (one := self._relay(inner, outer, target)) is not None:
                    one.disturb(disturbance)

    def _relay(
        self, inner: socket.socket, outer: socket.socket, target: Destination
    ) -> Relay | None:
        try:
            one = Relay(inner, outer, self._epoll, self._closed)
        except OSError:  # the user has as many descriptors watched as may be: epoll(7)
            relay.reset(inner)
            relay.reset(outer)
            return None
        entry = self._log.note(target, "allowed")
        self.relays[one] = time.monotonic() + CONNECT_TIMEOUT, entry
        for fd in one.fds:
            self._by_fd[fd] = one
        return one

    def _room(self) -> int:
        count = len(self.relays)
        return 0 if count < _FREE else max(_LEAST, _ROOM // (4 * count))

    def _closed(self, one: Relay) -> None:
        _, entry = self.relays.pop(one)
        if one in self._leads_to:
            self._leads_to.pop(one).relays.discard(one)
        if one.error or one.cut:
            entry.count -= 1
            reason = told("reset") if one.cut else errno.errorcode.get(one.error, "")
            entry = self._log.note(entry.target, "failed", reason)
        entry.add(*one.take_counts())
        for fd in one.fds:
            del self._by_fd[fd]
        self.resume()
