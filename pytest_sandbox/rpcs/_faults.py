"""What is to go wrong, as data."""

from __future__ import annotations

import ast
import inspect
import math
import os
import uuid
from typing import TYPE_CHECKING, Any, Protocol

from pytest_sandbox._proto import inspector_pb2 as pb

from ._match import check, nested
from ._names import signature
from ._rpcs import check_status

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from typing_extensions import Self


class FaultPlan(Protocol):
    """Where faults are set: the engine process of a client, or a server in this process."""

    def fault_set(self, fault: pb.Fault) -> None:
        """Set a fault, or change the one with its id."""

    def fault_list(self, ids: Iterable[str]) -> Sequence[pb.FaultState]:
        """How often each was met and struck."""

    def fault_clear(self, ids: Iterable[str]) -> None:
        """Take faults back."""


class _Planned:
    """A fault that the server may know of."""

    def __init__(self, plan: FaultPlan, caller: str, words: str) -> None:
        self._plan = plan
        self._fault = pb.Fault(id=str(uuid.uuid4()), caller=caller)
        self._words = words
        #: Whether the server knows of it.
        self.is_set = False
        self._optional = False
        #: File and line of the code that made it.
        self.place = _place_of_caller()

    def optional(self) -> Self:
        """Let it be fine if it never strikes."""
        self._optional = True
        return self

    @property
    def fired(self) -> int:
        """How often it struck."""
        return sum(state.fired for state in self._plan.fault_list([self.id]))

    @property
    def id(self) -> str:
        """Under which the server knows it."""
        return self._fault.id

    @property
    def expected(self) -> int:
        """How often it has to strike."""
        return 0 if self._optional else self._times

    @property
    def _times(self) -> int:
        return 1

    def set(self) -> None:
        """Tell the server of it, or of what changed about it."""
        self._plan.fault_set(self._fault)
        self.is_set = True

    def __repr__(self) -> str:
        return f"<faults.{self._words}>"


class SandboxFault(_Planned):
    """A sandbox that ends though nothing asked it to."""

    def __init__(self, plan: FaultPlan, caller: str, words: str, ending: pb.SandboxFault) -> None:
        super().__init__(plan, caller, words)
        self._fault.sandbox.CopyFrom(ending)


class CallFault(_Planned):
    """Something that goes wrong with calls.

    It does nothing before it has an effect: `status`, `rate_limit`, `drop_response` and
    `cut_stream`, of which one is possible, and `delay`, alone or with any of them. It strikes
    once unless `times` or `always` say otherwise. Of several faults that are for the same call,
    the delays add up, and the effect is that of the fault that was made first.
    """

    def __init__(self, plan: FaultPlan, caller: str, words: str, call: pb.CallFault) -> None:
        super().__init__(plan, caller, words)
        self._fault.call.CopyFrom(call)
        self._call = self._fault.call

    def where(self, **fields: Any) -> CallFault:
        """Only for calls whose request is like that, as in `Rpcs.where`, of plain values.

        Raises:
            ValueError: the request has no such field, or the value is none that can be sent.
        """
        expected = nested(fields)
        for rpc in self._call.rpcs:
            known = signature(rpc)
            if known.takes_stream:
                raise ValueError(f"{rpc} takes a stream: where() has no request to look at")
            check(known.request.DESCRIPTOR, expected)
        self._call.where = _literal(expected)
        return self._also("where", **fields)

    def times(self, count: int) -> CallFault:
        """Strike that often, on as many calls.

        Raises:
            ValueError: not at least 1.
        """
        if count < 1:
            raise ValueError(f"times({count!r}): at least 1, or leave the fault out")
        self._call.times = count
        return self._also("times", count)

    def always(self) -> CallFault:
        """Strike every such call."""
        self._call.times = 0
        return self._also("always")

    def status(self, status: str, message: str = "") -> CallFault:
        """End with that status; the call is not carried out.

        Args:
            status: its name, `"UNAVAILABLE"`.
            message: what it says; by default, that it was done on purpose.

        Raises:
            ValueError: there is no such status, it is `"OK"`, or there is another effect.
        """
        check_status(status)
        if status == "OK":
            raise ValueError("status('OK') is no fault")
        self._exclusive("status")
        self._call.status.status = status
        self._call.status.message = message or f"{status}, as a fault was set to"
        return self._also("status", status)

    def rate_limit(self, *, retry_after: float) -> CallFault:
        """End with `RESOURCE_EXHAUSTED`, and tell when to come back; it is not carried out.

        Args:
            retry_after: seconds, which the status carries as Modal's servers do: as an
                `RPCRetryPolicy` in its details. Clients wait and repeat the call.

        Raises:
            ValueError: negative, or there is another effect.
        """
        self._exclusive("retry_after")
        self._call.retry_after = _seconds("retry_after", retry_after)
        return self._also("rate_limit", retry_after=retry_after)

    def drop_response(self) -> CallFault:
        """Carry the call out, but reset it (HTTP/2 `RST_STREAM`) instead of answering.

        A stream of responses is reset instead of its first one.

        Raises:
            ValueError: there is another effect.
        """
        self._exclusive("drop_response")
        self._call.drop_response = True
        return self._also("drop_response")

    def cut_stream(self, *, after_bytes: int) -> CallFault:
        """End a stream of responses with `UNAVAILABLE` once it has given that much.

        That is what clients see when something on the way breaks. A reset would overtake what
        was sent before it.

        Args:
            after_bytes: of output, for `TaskExecStdioRead`, to the byte; of whole messages as
                they are on the wire, for others.

        Raises:
            ValueError: negative, a call without a stream, or there is another effect.
        """
        for rpc in self._call.rpcs:
            if not signature(rpc).gives_stream:
                raise ValueError(f"{rpc} gives one response, no stream that could be cut")
        if after_bytes < 0:
            raise ValueError(f"after_bytes={after_bytes!r} is negative")
        self._exclusive("cut_after_bytes")
        self._call.cut_after_bytes = after_bytes
        return self._also("cut_stream", after_bytes=after_bytes)

    def delay(self, seconds: float) -> CallFault:
        """Let time pass, on the engine's clock, before anything else happens.

        Raises:
            ValueError: negative.
        """
        self._call.delay = _seconds("delay", seconds)
        return self._also("delay", seconds)

    def _exclusive(self, effect: str) -> None:
        other = self._call.WhichOneof("effect")
        if other not in (None, effect):
            raise ValueError(f"{self!r} has an effect already, and a call can have only one")

    def _also(self, verb: str, *args: Any, **kwargs: Any) -> CallFault:
        told = [repr(each) for each in args] + [f"{name}={each!r}" for name, each in kwargs.items()]
        self._words += f".{verb}({', '.join(told)})"
        if self._call.WhichOneof("effect") or self._call.delay:
            self.set()
        return self

    @property
    def _times(self) -> int:
        if self._call.HasField("chance"):
            return 0
        return self._call.times or 1


class Faults:
    """What is to go wrong on an engine.

    Args:
        plan: where it is set: `Client.inspector`, or the plan of a server.
        caller: only with calls of this caller; see `Rpcs`.
    """

    def __init__(self, plan: FaultPlan, *, caller: str = "") -> None:
        self._plan = plan
        self._caller = caller
        self._planned: list[_Planned] = []

    def on(self, rpc: str, *others: str, nth: int | None = None) -> CallFault:
        """A fault of calls of that name, or of one of several.

        Args:
            rpc: `"TaskExecStart"`.
            *others: further names.
            nth: the first call that is hit, counted from 1; by default the next one.

        Raises:
            ValueError: there is no such RPC, or `nth` is less than 1.
        """
        if nth is not None and nth < 1:
            raise ValueError(f"nth={nth!r}: calls are counted from 1")
        names = [rpc, *others]
        for name in names:
            signature(name)
        words = f"on({', '.join(map(repr, names))}{f', nth={nth}' if nth else ''})"
        return self._add(words, pb.CallFault(rpcs=names, nth=nth or 1, times=1))

    def random(self, seed: int | str, *, rate: float, among: Iterable[str]) -> CallFault:
        """A fault of calls chosen at random, the same ones for the same seed.

        Whether a call is hit depends on the seed, its name, and how many of that name came
        before it. Without another effect, it ends with `UNAVAILABLE`.

        Args:
            seed: any number or text.
            rate: from 0 to 1.
            among: names of calls.

        Raises:
            ValueError: there is no such RPC, none is given, or the rate is no rate.
        """
        names = [among] if isinstance(among, str) else list(among)
        if not names:
            raise ValueError("among: name at least one RPC")
        for name in names:
            signature(name)
        if not 0 <= rate <= 1:
            raise ValueError(f"rate={rate!r} is not between 0 and 1")
        chance = pb.Chance(seed=str(seed), rate=rate)
        words = f"random({seed!r}, rate={rate!r}, among={names!r})"
        fault = self._add(words, pb.CallFault(rpcs=names, nth=1, chance=chance))
        fault.set()
        return fault

    def vanish(self, sandbox: Any, *, at: float | None = None) -> SandboxFault:
        """Let the worker of a sandbox be lost: it ends, as an internal failure.

        Args:
            sandbox: it, or its id.
            at: seconds after its creation, on the engine's clock; by default at once.

        Raises:
            ValueError: `at` is negative.
        """
        return self._end("vanish", sandbox, "lost", at)

    def oom(self, sandbox: Any, *, at: float | None = None) -> SandboxFault:
        """Let a sandbox run out of memory: the kernel kills its main process.

        Args:
            sandbox: it, or its id.
            at: as for `vanish`.

        Raises:
            ValueError: `at` is negative.
        """
        return self._end("oom", sandbox, "out of memory", at)

    @property
    def planned(self) -> int:
        """How many faults were made and not taken back."""
        return len(self._planned)

    def unfired(self) -> list[CallFault | SandboxFault]:
        """Faults that did not strike as often as planned, or have no effect at all.

        Those that are `optional`, or random, are not among them.
        """
        if not self._planned:
            return []  # without a call of the server, which costs a test a millisecond
        fired = {each.id: each.fired for each in self._plan.fault_list(self._ids())}
        return [
            each  # type: ignore[misc]  # only those two are ever added
            for each in self._planned
            if fired.get(each.id, 0) < each.expected
        ]

    def clear(self) -> None:
        """Take them all back; what has happened stays so."""
        self._plan.fault_clear(self._ids())
        self._planned.clear()

    def _ids(self) -> list[str]:
        return [each.id for each in self._planned if each.is_set]

    def _add(self, words: str, call: pb.CallFault) -> CallFault:
        fault = CallFault(self._plan, self._caller, words, call)
        self._planned.append(fault)
        return fault

    def _end(self, verb: str, sandbox: Any, cause: str, at: float | None) -> SandboxFault:
        sandbox_id = str(getattr(sandbox, "object_id", sandbox))
        timed = "" if at is None else f", at={at!r}"
        ending = pb.SandboxFault(sandbox_id=sandbox_id, cause=cause, at=_seconds("at", at or 0.0))
        fault = SandboxFault(self._plan, self._caller, f"{verb}({sandbox_id!r}{timed})", ending)
        fault.set()
        self._planned.append(fault)
        return fault


def _place_of_caller() -> str:
    """File and line of the first caller that is not in this module."""
    frame = inspect.currentframe()
    while frame is not None and frame.f_code.co_filename == __file__:
        frame = frame.f_back
    if frame is None:
        return "?"
    return f"{os.path.basename(frame.f_code.co_filename)}:{frame.f_lineno}"


def _seconds(name: str, value: float) -> float:
    if not 0 <= value < math.inf:
        raise ValueError(f"{name}={value!r}: seconds are not negative, and there is an end to them")
    return value


def _literal(expected: dict[Any, Any]) -> str:
    """What is expected, in a form that can be sent."""
    text = repr(expected)
    try:
        same = ast.literal_eval(text) == expected
    except (ValueError, SyntaxError):
        same = False
    if not same:
        raise ValueError(
            f"{text}: a fault is set in the server, so it can be told numbers, text, bytes, "
            "lists and dicts, but no functions and objects"
        )
    return text
