"""The engine's gateway: started when the first sandbox has a way out, and again if it dies."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import socket
import subprocess
import time
from typing import TYPE_CHECKING

from pytest_sandbox._shared.lazy_dataclass import dataclass
from pytest_sandbox.engine import ConnectionRecord, EngineUnavailable, NetworkLog, TaskEnded

from ...agents.channel import Channel
from ...agents.pending_answers import PendingAnswers, wait_for
from ...protocol import foreign
from ...protocol.common import Succeeded
from ...protocol.gateway import (
    GATEWAY_TO_ENGINE,
    AdmitRequest,
    AliasesRequest,
    ChangeRequest,
    ClearFaultsRequest,
    EvictRequest,
    FaultCountsAnswer,
    FaultCountsRequest,
    FaultRequest,
    GroupsRequest,
    JoinRequest,
    LogAnswer,
    LogRequest,
)
from ...protocol.wire import close_all
from .bare_python import launch

if TYPE_CHECKING:
    from collections.abc import Collection

    from pytest_sandbox.engine import ConnectionFault, Membership, Network

    from ...protocol.message import Message

#: Seconds between two starts, for a gateway that dies again and again.
_BETWEEN_STARTS = 1.0
_STANDARD_ERROR = 2
#: Seconds for a gateway to answer.
_ANSWER_TIMEOUT = 5.0
#: Seconds for a gateway to end whose socket is closed.
_EXIT_TIMEOUT = 5.0
#: Aliases in one message, which is to fit into a socket.
_ALIASES_AT_ONCE = 500


@dataclass
class _Admitted:
    """A sandbox with a way out.

    Attributes:
        listeners: descriptors of it.
        network: where its connections may lead.
        groups: that it belongs to.
        membership: the network of sandboxes that it belongs to.
    """

    listeners: list[int]
    network: Network
    groups: frozenset[str]
    membership: Membership | None = None


class GatewayLink:
    """What the gateway is told, and remembered for one that takes its place.

    The listeners stay open here too: connections wait in their queues while there is no gateway.
    """

    def __init__(self) -> None:
        self._names = itertools.count(1)
        self._admitted: dict[str, _Admitted] = {}
        #: The aliases that each network of sandboxes has had while it had members. A gateway that
        #: starts after a sandbox has ended would ask elsewhere for its name.
        self._aliases: dict[str, dict[str, None]] = {}
        self._faults: dict[str, ConnectionFault] = {}
        self._channel: Channel | None = None
        self._answers = PendingAnswers()
        self._process: subprocess.Popen[bytes] | None = None
        self._started = -_BETWEEN_STARTS
        self._starting: asyncio.Task[None] | None = None
        self._closed = False

    @property
    def pid(self) -> int | None:
        """Of the gateway, once it is started."""
        return None if self._process is None else self._process.pid

    def new_name(self) -> str:
        """A name for a sandbox, which no other of the engine has, whatever zygote makes it."""
        return str(next(self._names))

    def admit(
        self, name: str, listeners: list[int], network: Network, groups: frozenset[str]
    ) -> None:
        """Have connections of a sandbox accepted and relayed.

        Args:
            name: of the sandbox; see `new_name`.
            listeners: descriptors of it; owned.
            network: where connections may lead.
            groups: that the sandbox belongs to.

        Raises:
            OSError: the engine has as many descriptors as it may have; nothing is admitted.
        """
        self._admitted[name] = _Admitted(listeners, network, groups)
        if self._channel is not None and not self._channel.closed:
            try:
                self._tell(name)
            except OSError:
                foreign.close(self._admitted.pop(name).listeners)
                raise
        elif self._starting is None:
            self._starting = asyncio.get_running_loop().create_task(self._start())

    def join(self, name: str, membership: Membership) -> None:
        """Let a sandbox that was admitted, if it was, and others of a network see each other."""
        if name in self._admitted:
            self._admitted[name].membership = membership
            known = self._aliases.setdefault(membership.network, {})
            known.update(dict.fromkeys(membership.aliases))
            if self._channel is not None and not self._channel.closed:
                self._tell_of(name, membership)

    def change_groups(self, name: str, groups: frozenset[str]) -> None:
        """Let a sandbox that was admitted, if it was, belong to other groups."""
        if name in self._admitted:
            self._admitted[name].groups = groups
            if self._channel is not None and not self._channel.closed:
                self._channel.send(GroupsRequest(name=name, groups=sorted(groups)))

    async def set_fault(self, fault: ConnectionFault) -> None:
        """Set a fault, or change the one with its id; it acts when this returns."""
        self._faults[fault.id] = fault
        await self._done(_fault_request(fault))

    async def clear_faults(self, ids: Collection[str]) -> None:
        """Clear faults."""
        for each in ids:
            self._faults.pop(each, None)
        await self._done(ClearFaultsRequest(ids=list(ids)))

    async def fault_counts(self, ids: Collection[str]) -> dict[str, tuple[int, int]]:
        """How often faults were met and fired; those of a gateway that died are forgotten."""
        counts = {each: (0, 0) for each in ids if each in self._faults}
        if self._channel is None or self._channel.closed:
            return counts
        number, answer = self._answers.add(FaultCountsAnswer)
        self._channel.send(FaultCountsRequest(ids=list(ids)), number=number)
        with contextlib.suppress(EngineUnavailable):
            told, _ = await wait_for(answer)
            counts |= {each: (seen, told.fired[each]) for each, seen in told.seen.items()}
        return counts

    def evict(self, name: str) -> asyncio.Future[NetworkLog]:
        """End the connections of a sandbox, if it has a way out; what it connected to."""
        if name not in self._admitted:
            return asyncio.ensure_future(self._asked(None))
        evicted = self._admitted.pop(name)
        foreign.close(evicted.listeners)
        if evicted.membership is not None:
            self._forget_unless_used(evicted.membership.network)
        return asyncio.ensure_future(self._asked(self._ask(EvictRequest(name=name))))

    def _forget_unless_used(self, network: str) -> None:
        memberships = (each.membership for each in self._admitted.values())
        if not any(each is not None and each.network == network for each in memberships):
            del self._aliases[network]

    async def change(self, name: str, network: Network) -> None:
        """Allow other connections of a sandbox; those that no longer are have ended then.

        Raises:
            TaskEnded: the sandbox has ended.
        """
        if name not in self._admitted:
            raise TaskEnded("the task has ended")
        self._admitted[name].network = network
        request = ChangeRequest(name=name, cidrs=list(network.cidrs), domains=list(network.domains))
        await self._done(request)

    async def log(self, name: str) -> NetworkLog:
        """What a sandbox connected to so far."""
        known = name in self._admitted
        return await self._asked(self._ask(LogRequest(name=name)) if known else None)

    async def close(self) -> None:
        """End the gateway; return when it is gone."""
        self._closed = True
        if self._starting is not None:
            await self._starting
        for name in list(self._admitted):
            self.evict(name)
        if self._channel is not None:
            self._channel.close()
        await asyncio.to_thread(self._wait)

    async def _done(self, request: Message) -> None:
        """Return once the gateway has done something; one that starts is told of all there is."""
        if self._channel is None or self._channel.closed:
            return
        number, answer = self._answers.add(Succeeded)
        self._channel.send(request, number=number)
        with contextlib.suppress(EngineUnavailable):  # it died, and all connections with it
            await wait_for(answer)

    async def _start(self) -> None:
        try:
            while self._admitted and not self._closed and not await self._try():
                pass
        finally:
            self._starting = None

    async def _try(self) -> bool:
        """Start a gateway; False if that is not possible at present."""
        await asyncio.sleep(max(0.0, self._started + _BETWEEN_STARTS - time.monotonic()))
        self._started = time.monotonic()
        await asyncio.to_thread(self._wait)
        try:
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        except OSError:
            return False
        with theirs:
            try:
                self._process = await asyncio.to_thread(
                    launch, "local.gateway.gateway", theirs, _STANDARD_ERROR
                )
                self._channel = Channel(
                    ours, GATEWAY_TO_ENGINE, self._on_message, lambda _: self._on_close()
                )
            except OSError:
                ours.close()
                return False
        for fault in self._faults.values():
            number, _ = self._answers.add(Succeeded)
            self._channel.send(_fault_request(fault), number=number)
        for sandboxes, known in self._aliases.items():
            aliases = list(known)
            for first in range(0, len(aliases), _ALIASES_AT_ONCE):
                some = aliases[first : first + _ALIASES_AT_ONCE]
                self._channel.send(AliasesRequest(network=sandboxes, aliases=some))
        try:
            for name in self._admitted:
                self._tell(name)
        except OSError:  # it would know nothing of a sandbox that it is asked about
            self._channel.close()
            return False
        return True

    def _tell(self, name: str) -> None:
        assert self._channel is not None
        admitted = self._admitted[name]
        network = admitted.network
        copies: list[int] = []
        try:
            for listener in admitted.listeners:
                copies.append(os.dup(listener))  # noqa: PERF401 - those made so far are closed
        except OSError:
            close_all(copies)
            raise
        request = AdmitRequest(
            name=name,
            cidrs=list(network.cidrs),
            domains=list(network.domains),
            groups=sorted(admitted.groups),
        )
        self._channel.send(request, tuple(copies))
        if admitted.membership is not None:
            self._tell_of(name, admitted.membership)

    def _tell_of(self, name: str, membership: Membership) -> None:
        assert self._channel is not None
        request = JoinRequest(
            name=name, network=membership.network, aliases=list(membership.aliases)
        )
        self._channel.send(request)

    def _ask(self, request: Message) -> asyncio.Future[tuple[LogAnswer, list[int]]] | None:
        """Ask now; nothing if there is no gateway, which then has nothing to tell."""
        if self._channel is None or self._channel.closed:
            return None
        number, answer = self._answers.add(LogAnswer)
        self._channel.send(request, number=number)
        return answer

    async def _asked(
        self, answer: asyncio.Future[tuple[LogAnswer, list[int]]] | None
    ) -> NetworkLog:
        if answer is None:
            return NetworkLog()
        try:
            told, _ = await asyncio.wait_for(answer, _ANSWER_TIMEOUT)
        except (EngineUnavailable, asyncio.TimeoutError):  # it died, and what it knew with it
            return NetworkLog()
        return NetworkLog(
            tuple(ConnectionRecord(**one.__dict__) for one in told.connections), told.left_out
        )

    def _on_message(self, message: Message, number: int, fds: list[int]) -> None:
        self._answers.settle(number, message, fds)

    def _on_close(self) -> None:
        self._answers.fail(EngineUnavailable("the gateway is gone"))
        if not self._closed and self._starting is None and self._admitted:
            self._starting = asyncio.get_running_loop().create_task(self._start())

    def _wait(self) -> None:
        """Return when a gateway whose socket is closed is gone; blocks."""
        if self._process is not None:
            try:
                self._process.wait(_EXIT_TIMEOUT)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()


def _fault_request(fault: ConnectionFault) -> FaultRequest:
    return FaultRequest(**{**vars(fault), "addresses": list(fault.addresses)})
