"""The way out of one sandbox in memory."""

from __future__ import annotations

import asyncio
import errno
from typing import TYPE_CHECKING, Any

from pytest_sandbox._shared.network.connection_log import (
    ConnectionLog,
    Destination,
    DestinationEntry,
)
from pytest_sandbox._shared.network.domains import canonical
from pytest_sandbox._shared.network.faults import FaultsOfTask, told
from pytest_sandbox._shared.network.members import is_of_members
from pytest_sandbox._shared.network.reach import Reach, plain
from pytest_sandbox.engine import Clock, ConnectionRecord, Network, NetworkLog, TaskSpec

from ..processes.connection import End, connected_ends
from . import resolving
from .relay import MemoryRelay

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, MutableMapping, Sequence

    from pytest_sandbox._shared.network.faults import FaultLike, FaultTable
    from pytest_sandbox._shared.network.members import Members
    from pytest_sandbox._shared.network.reach import Address

    from ..processes.ports import Ports
    from .outside import Outside

#: Seconds until a connection fails that nothing answers; as on the local engine.
CONNECT_TIMEOUT = 30.0
_DOMAIN, _HTTPS = 53, 443


class OutwardNetwork:
    """Connects programs of a sandbox to what is outside, as far as its network allows.

    Args:
        spec: of the sandbox.
        clock: of the engine.
        ports: those of the sandbox itself.
        outside: what there is.
        faults: the planned faults of the engine.
        members: those of its network of sandboxes, if it is in one.
        coroutines: where running coroutines are entered, with a name for each.

    Attributes:
        faults: those that are for the sandbox.
    """

    def __init__(
        self,
        spec: TaskSpec,
        clock: Clock,
        ports: Ports,
        outside: Outside,
        faults: FaultTable,
        members: Members[Ports] | None,
        coroutines: MutableMapping[asyncio.Task[None], object],
    ) -> None:
        self._clock = clock
        self._ports = ports
        self._outside = outside
        self.faults = FaultsOfTask(faults, spec.groups)
        self._members = members
        self._own: Sequence[str] = spec.membership.aliases if spec.membership is not None else ()
        self._coroutines = coroutines
        self._log = ConnectionLog()
        self._names: dict[Address, str] = {}
        self._relays: dict[MemoryRelay, DestinationEntry] = {}
        self._reach: Reach | None = None
        if spec.network is not None or members is not None:
            self.change(spec.network or Network())

    def join(self, members: Members[Ports], aliases: Sequence[str]) -> None:
        """Be in a network of sandboxes from now on, and be called by these names there."""
        self._members, self._own = members, aliases
        if self._reach is None:
            self.change(Network())

    # What a program asks for.

    async def resolve(self, name: str) -> Sequence[Address]:
        """The addresses of a name, or of an address.

        Raises:
            socket.gaierror: there is no such name, or it may not be asked for.
        """
        name = canonical(name)
        if name == "localhost":
            return [plain("127.0.0.1")]
        if self._reach is None:
            raise resolving.no_answer()
        is_alias = self._members is not None and self._members.had(name)
        if not is_alias and not self._reach.may_be_asked_for(name):
            reason = "no domain that is allowed is this name"
            if self._members is not None:
                reason = self._members.unknown(name)
            self._log.note(Destination("", _DOMAIN, name), "denied", reason)
            raise resolving.no_answer()
        fault = self.faults.of_question(name)
        if fault is not None:
            found = self._misled(name, fault)
        elif self._members is not None and is_alias:
            found = self._of_member(name, self._members)
        else:
            found = self._outside.addresses(name)
        for address in found:
            self._names[address] = name
        if not found:
            raise resolving.no_such_name()
        return found

    async def connect(self, host: str, port: int) -> End:
        """Connect to a name or an address; one of loopback is the sandbox itself.

        Raises:
            OSError: `ENETUNREACH`, it has no network; `ECONNRESET`, its network does not allow it,
                or the sandbox has ended; `ECONNREFUSED`, nothing listens there; `ETIMEDOUT`,
                nothing answers.
            socket.gaierror: as `resolve`.
        """
        try:
            addresses: Sequence[Address] = [plain(host)]
            name = self._names.get(addresses[0], "")
            asked = ""
        except ValueError:
            addresses = await self.resolve(host)
            name = asked = canonical(host)
        if addresses[0].is_loopback or addresses[0].is_unspecified:
            return self._ports.join(port)
        if self._reach is None:
            raise resolving.os_error(errno.ENETUNREACH)
        if self._members is not None and is_of_members(addresses[0]):
            return await self._join_member(self._members, addresses[0], port)
        target = Destination(str(addresses[0]), port, name)
        if refusal := self._reach.refusal(addresses[0]):
            target = self._by_name(self._reach, target, asked, refusal)
        return await self._join(target, lambda: self._accepted(target))

    # What the engine asks for.

    def change(self, network: Network) -> None:
        """Allow other connections from now on, and reset those that no longer are."""
        self._reach = Reach(network.cidrs, network.domains, lambda family, address: True)
        for relay, entry in list(self._relays.items()):
            if self._members is not None and self._members.alias_at(plain(entry.target.host)):
                continue
            by_name = entry.target.checked and self._reach.names(entry.target.name)
            if refusal := self._reach.refusal(plain(entry.target.host), by_name=by_name):
                self._log.note(entry.target, "denied", refusal)
                relay.reset()

    @property
    def relays(self) -> list[tuple[MemoryRelay, DestinationEntry]]:
        """The open connections."""
        return list(self._relays.items())

    def log(self) -> NetworkLog:
        """What programs connected to."""
        for relay, entry in self._relays.items():
            entry.add(*relay.take_counts())
        return NetworkLog(tuple(_record(entry) for entry in self._log.entries), self._log.left_out)

    def close_all(self) -> None:
        """End every connection."""
        for relay in list(self._relays):
            relay.reset()

    # How it is decided.

    def _misled(self, name: str, fault: FaultLike) -> Sequence[Address]:
        if not fault.addresses:
            self._log.note(Destination("", _DOMAIN, name), "failed", told(fault.effect))
        if fault.effect == "no answer":
            raise resolving.no_answer()
        return [plain(one) for one in fault.addresses]

    def _of_member(self, alias: str, members: Members[Ports]) -> Sequence[Address]:
        if members.get(alias) is None:
            return ()
        return [plain("127.0.0.1") if alias in self._own else members.address(alias)]

    async def _join_member(self, members: Members[Ports], address: Address, port: int) -> End:
        """Connect to another sandbox of the network."""
        alias = members.alias_at(address)
        target, ports = Destination(str(address), port, alias), members.get(alias)
        if ports is not None:
            return await self._join(target, lambda: ports.join(port))
        if alias:
            self._log.note(target, "failed", "the sandbox has ended")
        else:
            self._log.note(target, "denied", "no sandbox of its network has this address")
        raise resolving.os_error(errno.ECONNRESET)

    def _by_name(self, reach: Reach, target: Destination, asked: str, refusal: str) -> Destination:
        """The target of a connection of TLS, to a name; others are denied.

        Raises:
            ConnectionResetError: it is denied.
        """
        if reach.domains and target.port == _HTTPS:
            refusal = f"no domain that is allowed is {asked!r}" if asked else "it is not TLS"
            if asked and reach.names(asked):
                known = self._outside.addresses(asked)
                address = plain(target.host)
                # An address that a planned fault gave the name is none of it.
                refusal = reach.refusal(address, by_name=address in known)
        if refusal:
            self._log.note(target, "denied", refusal)
            raise resolving.os_error(errno.ECONNRESET, f"{target.name or target.host}: {refusal}")
        return Destination(target.host, target.port, asked, checked=True)

    async def _join(self, target: Destination, accept: Callable[[], End]) -> End:
        """Connect to a target that is allowed, unless a planned fault says otherwise.

        Args:
            target: the target.
            accept: gives the end that faces it; raises `ConnectionRefusedError`.
        """
        disturbance = self.faults.of_connection(target)
        effect = "none" if disturbance is None else disturbance.effect
        if effect != "none":
            self._log.note(target, "failed", told(effect))
        if effect == "refuse":
            raise resolving.refused(told(effect))
        if effect == "black hole":
            await self._clock.sleep(CONNECT_TIMEOUT)
            raise resolving.os_error(errno.ETIMEDOUT)
        try:
            outer = accept()
        except ConnectionRefusedError:
            self._log.note(target, "failed", "ECONNREFUSED")
            raise
        here, inner = connected_ends()
        relay = MemoryRelay(inner, outer, self._clock, disturbance)
        self._relays[relay] = self._log.note(target, "allowed")
        self._run(self._relayed(relay), target)
        return here

    def _accepted(self, target: Destination) -> End:
        """A connection to what lies outside."""
        acceptor = self._outside.accept(target)
        if acceptor is None:
            raise resolving.refused(self._outside.unknown(target))
        outer, there = connected_ends()
        self._run(acceptor(target.port, there), target)
        return outer

    async def _relayed(self, relay: MemoryRelay) -> None:
        try:
            await relay.run()
        finally:
            entry = self._relays.pop(relay)
            if relay.cut:
                entry.count -= 1
                entry = self._log.note(entry.target, "failed", told("reset"))
            entry.add(*relay.take_counts())

    def _run(self, work: Coroutine[Any, Any, None], target: Destination) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._coroutines[task] = f"{target.name or target.host} port {target.port}"
        task.add_done_callback(lambda task: self._coroutines.pop(task, None))


def _record(entry: DestinationEntry) -> ConnectionRecord:
    return ConnectionRecord(
        host=entry.target.host,
        name=entry.target.name,
        port=entry.target.port,
        verdict=entry.verdict,
        reason=entry.reason,
        count=entry.count,
        sent=entry.sent,
        received=entry.received,
    )
