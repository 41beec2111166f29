"""What is to go wrong, and with which calls."""

import ast
import asyncio
import math
import random
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from google.protobuf.message import Message
from grpclib import GRPCError, Status

from pytest_sandbox._proto import common_pb2
from pytest_sandbox._proto import inspector_pb2 as pb
from pytest_sandbox.engine import EndCause
from pytest_sandbox.rpcs import SIGNATURES, check, differences

from ..async_helpers import start
from ..model.state import State
from .errors import invalid


class ResponseLost(GRPCError):
    """The answer of a call does not reach the client: the call is to be reset."""

    def __init__(self) -> None:
        super().__init__(Status.CANCELLED, "the answer was lost, as a fault was set to")


@dataclass
class Disruption:
    """What happens to one call.

    Attributes:
        delay: seconds before anything else.
        error: what it ends with instead of being carried out.
        drop: it is carried out, and reset instead of answered.
        left: bytes of its responses until it is cut; `None` for no end.
        cut: it was.
        words: for people, what is done.
        by: the fault that the effect is of, if there is one.
    """

    delay: float = 0.0
    error: GRPCError | None = None
    drop: bool = False
    left: int | None = None
    cut: bool = False
    words: list[str] = field(default_factory=list)
    by: "_ArmedFault | None" = None

    def over(self) -> None:
        """The call is over: a stream that ended before it was to be cut, was spared."""
        if self.left is not None and not self.cut and self.by is not None:
            self.by.fired -= 1


class _ArmedFault:
    """A fault and how it fared."""

    def __init__(self, fault: pb.Fault) -> None:
        self.fault = fault
        self.where: dict[Any, Any] = {}
        self.seen = 0
        self.fired = 0
        self.timer: asyncio.Future[None] | None = None

    def is_for(self, caller: str, request: Message | None) -> bool:
        if self.fault.caller not in ("", caller):
            return False
        return not self.where or (request is not None and not any(differences(request, self.where)))

    def is_due(self, rpc: str) -> bool:
        """Whether the call that was just seen is one to strike."""
        call = self.fault.call
        if call.HasField("chance"):
            # The same whatever other calls come between: seeded with text, by its hash.
            drawn = random.Random(f"{call.chance.seed}/{rpc}/{self.seen}").random()
            return drawn < call.chance.rate
        return self.seen >= call.nth and (not call.times or self.fired < call.times)


class FaultInjector:
    """The faults that are set.

    Args:
        state: whose sandboxes, and whose clock.
    """

    def __init__(self, state: State) -> None:
        self._state = state
        self._planned: dict[str, _ArmedFault] = {}
        self._of_rpc: dict[str, list[_ArmedFault]] = {}

    # For those who plan

    def fault_set(self, fault: pb.Fault) -> None:
        """Set a fault, or change the one with its id.

        Raises:
            GRPCError: NOT_FOUND, there is no such sandbox; INVALID_ARGUMENT.
        """
        planned = self._planned.get(fault.id) or _ArmedFault(fault)
        if fault.WhichOneof("subject") == "sandbox":
            self._schedule(planned, fault.sandbox)
        else:
            where = _parsed(fault.call.where)
            _check(fault.call, where)
            planned.where = where
        planned.fault = fault
        self._planned[fault.id] = planned
        self._index()

    def fault_list(self, ids: Iterable[str]) -> list[pb.FaultState]:
        """How often each of those was met, and struck."""
        known = [self._planned[each] for each in ids if each in self._planned]
        return [pb.FaultState(id=each.fault.id, seen=each.seen, fired=each.fired) for each in known]

    def fault_clear(self, ids: Iterable[str]) -> None:
        """Forget those, and what they were still to do."""
        for each in ids:
            planned = self._planned.pop(each, None)
            if planned is not None and planned.timer is not None:
                planned.timer.cancel()
        self._index()

    async def settled(self, fault_id: str) -> None:
        """Return when a sandbox that was to end at once has ended."""
        planned = self._planned[fault_id]
        if planned.timer is not None and planned.fired:
            await asyncio.wait({planned.timer})

    # For the calls

    def concerns(self, rpc: str) -> bool:
        """Whether calls of that name may be disturbed."""
        return rpc in self._of_rpc

    def strike(self, rpc: str, caller: str, request: Message | None) -> Disruption | None:
        """What happens to a call; each fault that is for it has then met it."""
        strike = Disruption()
        for planned in self._of_rpc.get(rpc, ()):
            if not planned.is_for(caller, request):
                continue
            planned.seen += 1
            call = planned.fault.call
            effect = _effect(call)
            if not planned.is_due(rpc) or (effect and strike.by):
                continue
            planned.fired += 1
            strike.by = planned if effect else strike.by
            _add(strike, call, effect)
        return strike if strike.words else None

    def _index(self) -> None:
        self._of_rpc = {}
        for planned in self._planned.values():
            for rpc in planned.fault.call.rpcs:
                self._of_rpc.setdefault(rpc, []).append(planned)

    # Sandboxes

    def _schedule(self, planned: _ArmedFault, fault: pb.SandboxFault) -> None:
        cause = _CAUSES.get(fault.cause)
        if cause is None:
            raise invalid(f"a sandbox cannot end by {fault.cause!r}")
        sandbox = self._state.sandboxes.get(fault.sandbox_id)
        left = sandbox.started + fault.at - self._state.clock.monotonic()
        if planned.timer is not None or planned.fired:
            return  # the same call again: its answer was lost

        async def happen() -> None:
            if left > 0:
                await self._state.clock.sleep(left)
                planned.fired += sandbox.result is None
            await sandbox.fail(cause)

        # Counted at once, so that `settled` knows it has something to wait for.
        planned.fired += left <= 0 and sandbox.result is None
        planned.timer = start(happen())


_CAUSES = {"lost": EndCause.LOST, "out of memory": EndCause.OUT_OF_MEMORY}


def _effect(call: pb.CallFault) -> str:
    """The name of the effect; without one, a random fault makes the server unavailable."""
    effect = call.WhichOneof("effect")
    if effect is None and call.HasField("chance") and not call.delay:
        return "status"
    return effect or ""


def _add(strike: Disruption, call: pb.CallFault, effect: str) -> None:
    strike.delay += call.delay
    if call.delay:
        strike.words.append(f"delay {call.delay:g} s")
    if not effect:
        return
    if effect == "status":
        status = Status[call.status.status or "UNAVAILABLE"]
        strike.error = GRPCError(status, call.status.message or "as a fault was set to")
        strike.words.append(f"status {status.name}")
    elif effect == "retry_after":
        policy = common_pb2.RPCRetryPolicy(retry_after_secs=call.retry_after)
        message = f"rate limited, as a fault was set to: again in {call.retry_after:g} s"
        strike.error = GRPCError(Status.RESOURCE_EXHAUSTED, message, [policy])
        strike.words.append(f"rate limit, retry after {call.retry_after:g} s")
    elif effect == "drop_response":
        strike.drop = True
        strike.words.append("drop response")
    else:
        strike.left = call.cut_after_bytes
        strike.words.append(f"cut stream after {call.cut_after_bytes} bytes")


def _parsed(where: str) -> dict[Any, Any]:
    try:
        parsed = ast.literal_eval(where or "{}")
    except (ValueError, SyntaxError) as error:
        raise invalid(f"where: not a dict as a Python literal: {where!r}") from error
    if not isinstance(parsed, dict):
        raise invalid(f"where: not a dict: {where!r}")
    return parsed


def _check(call: pb.CallFault, where: dict[Any, Any]) -> None:
    """The client has looked at all of it, so this is for clients that are not ours."""
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
        raise invalid("seconds are not negative, and not endless")
