"""The faults that are set: which calls they disturb, and which sandboxes they end."""

import asyncio
import math
import random
from abc import abstractmethod
from collections.abc import Iterable
from typing import Any, Protocol

from google.protobuf.message import Message
from grpclib import GRPCError, Status

from pytest_sandbox._proto import common_pb2
from pytest_sandbox._proto import inspector_pb2 as pb
from pytest_sandbox.engine import Clock, EndCause

from ..async_helpers import start
from ..model.sandbox import ServedSandbox
from .disruption import Disruption
from .errors import invalid


class ArmedFault:
    """A fault that is set.

    Attributes:
        fault: as the client sent it.
        where: what the request of a call must be like, parsed.
        seen: how many calls it was for.
        fired: how many of them it disturbed, or whether it ended its sandbox.
        timer: ends its sandbox.
    """

    def __init__(self, fault: pb.Fault) -> None:
        self.fault = fault
        self.where: dict[Any, Any] = {}
        self.seen = 0
        self.fired = 0
        self.timer: asyncio.Future[None] | None = None

    def is_for(self, caller: str, request: Message | None) -> bool:
        """Whether the fault is for a call of this caller with this request."""
        if self.fault.caller not in ("", caller):
            return False
        return not self.where or (request is not None and _fits(request, self.where))

    def spare(self) -> None:
        """A stream that was to be cut ended before."""
        self.fired -= 1

    def is_due(self, rpc: str) -> bool:
        """Whether the call that was just seen is to be disturbed."""
        call = self.fault.call
        if call.HasField("chance"):
            # Whatever other calls come between, and in every process, the draw is the same: of a
            # text, `random` takes the SHA-512 as seed, not the randomized `hash`.
            drawn = random.Random(f"{call.chance.seed}/{rpc}/{self.seen}").random()
            return drawn < call.chance.rate
        return self.seen >= call.nth and (not call.times or self.fired < call.times)


class FaultySandboxes(Protocol):
    """The sandboxes of a server, which faults may end."""

    @abstractmethod
    def get(self, sandbox_id: str) -> ServedSandbox:
        """The sandbox of that id.

        Raises:
            GRPCError: NOT_FOUND, or whatever says why it cannot have a fault.
        """


class FaultInjector:
    """The faults that are set.

    Args:
        sandboxes: those that faults may end.
        clock: the engine's.
    """

    def __init__(self, sandboxes: FaultySandboxes, clock: Clock) -> None:
        self._sandboxes = sandboxes
        self._clock = clock
        self._armed: dict[str, ArmedFault] = {}
        self._of_rpc: dict[str, list[ArmedFault]] = {}

    # For clients that set faults

    def fault_set(self, fault: pb.Fault) -> None:
        """Set a fault, or change the one with its id.

        Raises:
            GRPCError: NOT_FOUND, there is no such sandbox; INVALID_ARGUMENT.
        """
        armed = self._armed.get(fault.id) or ArmedFault(fault)
        if fault.WhichOneof("subject") == "sandbox":
            self._schedule(armed, fault.sandbox)
        else:
            where = _parsed(fault.call.where)
            _check(fault.call, where)
            armed.where = where
        armed.fault = fault
        self._armed[fault.id] = armed
        self._index()

    def fault_list(self, ids: Iterable[str]) -> list[pb.FaultState]:
        """How many calls each of these faults was for, and how many it disturbed."""
        known = [self._armed[each] for each in ids if each in self._armed]
        return [pb.FaultState(id=each.fault.id, seen=each.seen, fired=each.fired) for each in known]

    def fault_clear(self, ids: Iterable[str]) -> None:
        """Clear these faults; they disturb nothing more."""
        for each in ids:
            armed = self._armed.pop(each, None)
            if armed is not None and armed.timer is not None:
                armed.timer.cancel()
        self._index()

    async def settled(self, fault_id: str) -> None:
        """Return once a sandbox that was to end at once has ended."""
        armed = self._armed[fault_id]
        if armed.timer is not None and armed.fired:
            await asyncio.wait({armed.timer})

    # For calls

    def concerns(self, *rpcs: str) -> bool:
        """Whether calls of one of these names may be disturbed."""
        return not self._of_rpc.keys().isdisjoint(rpcs)

    def fire(self, rpc: str, caller: str, request: Message | None) -> Disruption | None:
        """What the faults do to a call; this counts it as seen by each fault that is for it."""
        disruption = Disruption()
        for fault in self._of_rpc.get(rpc, ()):
            if not fault.is_for(caller, request):
                continue
            fault.seen += 1
            call = fault.fault.call
            effect = _effect(call)
            if not fault.is_due(rpc) or (effect and disruption.has_effect):
                continue
            fault.fired += 1
            if effect:
                disruption.has_effect = True
                disruption.spared = fault.spare
            _add(disruption, call, effect)
        return disruption if disruption.words else None

    def _index(self) -> None:
        self._of_rpc = {}
        for armed in self._armed.values():
            # A name of the first version means that of the second, too.
            names = {name for rpc in armed.fault.call.rpcs for name in (rpc, f"{rpc}V2")}
            for name in names:
                self._of_rpc.setdefault(name, []).append(armed)

    # Sandboxes

    def _schedule(self, armed: ArmedFault, fault: pb.SandboxFault) -> None:
        cause = _CAUSES.get(fault.cause)
        if cause is None:
            raise invalid(f"a sandbox cannot end by {fault.cause!r}")
        sandbox = self._sandboxes.get(fault.sandbox_id)
        left = sandbox.started + fault.at - self._clock.monotonic()
        if armed.timer is not None or armed.fired:
            return  # the client repeats a call whose response was lost

        async def happen() -> None:
            if left > 0:
                await self._clock.sleep(left)
                armed.fired += sandbox.result is None
            await sandbox.fail(cause)

        # Counted now, not when it happens: `settled` looks at it.
        armed.fired += left <= 0 and sandbox.result is None
        armed.timer = start(happen())


_CAUSES = {"lost": EndCause.LOST, "out of memory": EndCause.OUT_OF_MEMORY}


def _effect(call: pb.CallFault) -> str:
    """The name of the effect; without one, a random fault makes the server unavailable."""
    effect = call.WhichOneof("effect")
    if effect is None and call.HasField("chance") and not call.delay:
        return "status"
    return effect or ""


def _add(disruption: Disruption, call: pb.CallFault, effect: str) -> None:
    disruption.delay += call.delay
    if call.delay:
        disruption.words.append(f"delay {call.delay:g} s")
    if not effect:
        return
    if effect == "status":
        status = Status[call.status.status or "UNAVAILABLE"]
        disruption.error = GRPCError(
            status, call.status.message or f"{status.name} by a planned fault"
        )
        disruption.words.append(f"status {status.name}")
    elif effect == "retry_after":
        policy = common_pb2.RPCRetryPolicy(retry_after_secs=call.retry_after)
        message = f"rate limited by a planned fault: retry after {call.retry_after:g} s"
        disruption.error = GRPCError(Status.RESOURCE_EXHAUSTED, message, [policy])
        disruption.words.append(f"rate limit, retry after {call.retry_after:g} s")
    elif effect == "drop_response":
        disruption.drop = True
        disruption.words.append("drop response")
    else:
        disruption.left = call.cut_after_bytes
        disruption.words.append(f"cut stream after {call.cut_after_bytes} bytes")


def _fits(request: Message, where: dict[Any, Any]) -> bool:
    """Whether a request has these values; that of the second version may lack a field."""
    from pytest_sandbox.rpcs import check, differences  # late: few runs set faults

    try:
        check(request.DESCRIPTOR, where)
    except ValueError:
        return False
    return not any(differences(request, where))


def _parsed(where: str) -> dict[Any, Any]:
    import ast

    try:
        parsed = ast.literal_eval(where or "{}")
    except (ValueError, SyntaxError) as error:
        raise invalid(f"where must be a Python literal of a dict, not {where!r}") from error
    if not isinstance(parsed, dict):
        raise invalid(f"where must be a dict, not {where!r}")
    return parsed


def _check(call: pb.CallFault, where: dict[Any, Any]) -> None:
    """Refuse what makes no sense; our own client checks the same before it sends a fault."""
    from pytest_sandbox.rpcs import SIGNATURES, check

    if unknown := [rpc for rpc in call.rpcs if rpc not in SIGNATURES]:
        raise invalid(f"there is no RPC {unknown[0]!r}")
    try:
        for rpc in call.rpcs:
            check(SIGNATURES[rpc].request.DESCRIPTOR, where)
    except ValueError as error:
        raise invalid(f"where: {error}") from error
    if call.status.status and call.status.status not in Status.__members__:
        raise invalid(f"there is no status {call.status.status!r}")
    if not (0 <= call.delay < math.inf and 0 <= call.retry_after < math.inf):
        raise invalid("delay and retry_after must be finite and not negative")
