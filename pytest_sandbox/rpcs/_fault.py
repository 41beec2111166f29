"""A fault as a test makes it, and the server that is told of it."""

from __future__ import annotations

import contextlib
import functools
import inspect
import math
import os
import uuid
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar, cast

from pytest_sandbox._proto import inspector_pb2 as pb
from pytest_sandbox._shared.type_names import type_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import Any

    from typing_extensions import Self


class FaultPlan(Protocol):
    """Where faults are set: the engine process of a client, or a server in this process."""

    def fault_set(self, fault: pb.Fault) -> None:
        """Set a fault, or change the one with its id."""

    def fault_list(self, ids: Iterable[str]) -> Sequence[pb.FaultState]:
        """How often each was met and fired."""

    def fault_clear(self, ids: Iterable[str]) -> None:
        """Take faults back."""


class AnyFault:
    """A fault that was made in a test; the server learns of it once it has an effect.

    Args:
        plan: where it is set.
        caller: only for calls of this caller; empty for all.
        words: the Python code that makes it.

    Attributes:
        is_set: whether the server knows of it.
        place: file and line of the code that made it.
    """

    def __init__(self, plan: FaultPlan, caller: str, words: str) -> None:
        self._plan = plan
        self._fault = pb.Fault(id=str(uuid.uuid4()), caller=caller)
        self._words = words
        self.is_set = False
        self._optional = False
        self._taken_back = False
        self.place = _place_of_caller()

    def optional(self) -> Self:
        """Allow that it never fires."""
        self._optional = True
        return self

    @property
    def fired(self) -> int:
        """How often it fired."""
        return sum(state.fired for state in self._plan.fault_list([self.id]))

    @property
    def id(self) -> str:
        """Under which the server knows it."""
        return self._fault.id

    @property
    def expected(self) -> int:
        """How often it has to fire."""
        taken_back = self._taken_back and not self.is_set
        return 0 if self._optional or taken_back else self._times

    @property
    def _times(self) -> int:
        return 1

    def set(self) -> None:
        """Tell the server of it, or of what changed about it."""
        self._plan.fault_set(self._fault)
        self.is_set = True

    def take_back(self) -> None:
        """Undo it, unless another part sets it again."""
        self._taken_back = True
        if self.is_set:
            self.is_set = False
            self._plan.fault_clear([self.id])

    def __repr__(self) -> str:
        return f"<faults.{self._words}>"


M = TypeVar("M", bound="Callable[..., AnyFault]")


def part(method: M) -> M:
    """A method that adds to a fault; if that is refused, no half-made fault is left."""

    @functools.wraps(method)
    def checked(fault: AnyFault, /, *args: Any, **kwargs: Any) -> AnyFault:
        __tracebackhide__ = True
        try:
            return method(fault, *args, **kwargs)
        except Exception:
            with contextlib.suppress(Exception):  # of an engine that is gone
                fault.take_back()
            raise

    return cast("M", checked)


class SandboxFault(AnyFault):
    """A sandbox that ends though nothing asked it to."""

    def __init__(self, plan: FaultPlan, caller: str, words: str, ending: pb.SandboxFault) -> None:
        super().__init__(plan, caller, words)
        self._fault.sandbox.CopyFrom(ending)


F = TypeVar("F", bound=AnyFault)


class FaultList(Generic[F]):
    """The faults of one kind that a test has made.

    Args:
        plan: where they are set: `Client.inspector`, or the injector of a server.
        caller: only for calls of this caller; see `Rpcs`.
    """

    def __init__(self, plan: FaultPlan, *, caller: str = "") -> None:
        self._plan = plan
        self._caller = caller
        self._planned: list[F] = []

    @property
    def planned(self) -> int:
        """How many faults were made and not cleared."""
        return len(self._planned)

    def unfired(self) -> list[F]:
        """Faults that did not fire as often as planned, or have no effect at all.

        Those that are `optional`, or random, are not among them.
        """
        if not self._planned:
            return []  # without a call of the server, which costs a test a millisecond
        fired = {each.id: each.fired for each in self._plan.fault_list(self._ids())}
        return [each for each in self._planned if fired.get(each.id, 0) < each.expected]

    def clear(self) -> None:
        """Clear them all; what has happened stays so."""
        self._plan.fault_clear(self._ids())
        self._planned.clear()

    def _ids(self) -> list[str]:
        return [each.id for each in self._planned if each.is_set]


def _place_of_caller() -> str:
    """File and line of the first caller that is not in this folder."""
    here = os.path.dirname(__file__)
    frame = inspect.currentframe()
    while frame is not None and os.path.dirname(frame.f_code.co_filename) == here:
        frame = frame.f_back
    if frame is None:
        return "?"
    return f"{os.path.basename(frame.f_code.co_filename)}:{frame.f_lineno}"


def check_seconds(name: str, value: float) -> float:
    """A number of seconds that is neither negative nor infinite.

    Raises:
        ValueError: it is; the message has its name.
    """
    if not 0 <= value < math.inf:
        raise ValueError(f"{name}={value!r}: seconds must be finite and not negative")
    return value


def sandbox_id(sandbox: Any) -> str:
    """The id of a sandbox, given as such or by its id.

    Raises:
        ValueError: it is neither.
    """
    found = getattr(sandbox, "object_id", sandbox)
    if not isinstance(found, str) or not found:
        raise ValueError(f"sandbox={sandbox!r} is {type_name(sandbox)}: give a Sandbox or its id")
    return found
