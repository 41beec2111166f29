"""What scripts have in common, whatever they are for: when they count, and how often."""

import inspect
import math
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from typing_extensions import Self

    from ..processes.process import KernelInterface

C = TypeVar("C")
A = TypeVar("A")


class Rule(ABC, Generic[C, A]):
    """Something that a test scripts; by default it may be used any number of times from once on.

    Conditions are given what handlers are, a `C`. What it does is an `A`.

    Args:
        place: file and line where the test says it.
    """

    def __init__(self, place: str) -> None:
        self._place = place
        self._sandboxes: list[Callable[[KernelInterface], bool]] = []
        self._conditions: list[Callable[[C], bool]] = []
        self._action: A | None = None
        self._delay = 0.0
        self._times: int | None = None
        self._optional = False
        self._used = 0

    def where(self, condition: Callable[[C], bool]) -> "Self":
        """Count only when a condition holds, which is given what a handler would be."""
        self._conditions.append(condition)
        return self

    def times(self, count: int) -> "Self":
        """Exactly so many times; after that it no longer matches, and an older script may.

        Raises:
            ValueError: not a positive number.
        """
        if count < 1:
            raise ValueError(f"a script is used once or more, not {count!r} times")
        self._times = count
        return self

    def optional(self) -> "Self":
        """Let it be fine if it is never used."""
        self._optional = True
        return self

    def delay(self, seconds: float) -> "Self":
        """Let time pass on the clock of the engine before it does anything.

        Raises:
            ValueError: the time is negative or infinite.
        """
        check_seconds(seconds)
        self._delay = seconds
        return self

    def _act(self, action: A) -> "Self":
        if self._action is not None:
            raise ValueError(f"the script for {self} has an action already; make a second one")
        self._action = action
        return self

    # What the engine asks.

    @property
    def used_up(self) -> bool:
        """Whether it was used as often as it may be."""
        return self._times is not None and self._used >= self._times

    def restrict(self, sandboxes: "Callable[[KernelInterface], bool]") -> None:
        """Count only in sandboxes for whose kernel a function returns `True`."""
        self._sandboxes.append(sandboxes)

    def holds(self, kernel: "KernelInterface", make: Callable[[], C]) -> bool:
        """Whether it counts in a sandbox, and its conditions hold.

        Args:
            kernel: of the sandbox.
            make: makes what conditions are given; called only if there are any.
        """
        if not self.holds_in(kernel):
            return False
        if not self._conditions:
            return True
        given = make()
        return all(condition(given) for condition in self._conditions)

    def holds_in(self, kernel: "KernelInterface") -> bool:
        """Whether it counts in a sandbox."""
        return all(counts(kernel) for counts in self._sandboxes)

    def use(self) -> None:
        """Count one use."""
        self._used += 1

    def hides(self, other: "Rule[C, A]") -> bool:
        """Whether it takes everything that an older script is for."""
        limited = self._times is not None or self._conditions or self._sandboxes
        return not limited and self.title == other.title

    def unused(self) -> str | None:
        """A sentence, if it was not used as often as required."""
        least = self._times or 1
        if self._optional or self._used >= least:
            return None
        return f"the script for {self} was used {self._used} times, not {least}"

    @property
    @abstractmethod
    def title(self) -> str:
        """What it is for; rules with equal titles are for the same."""

    def __str__(self) -> str:
        return f"{self.title} ({self._place})"


R = TypeVar("R", bound="Rule[Any, Any]")


class Rules(Generic[R]):
    """All scripts of one kind; the last that matches is taken."""

    def __init__(self) -> None:
        self._rules: list[R] = []

    def add(self, rule: R) -> R:
        """A new script, asked before all others."""
        self._rules.insert(0, rule)
        return rule

    def __iter__(self) -> Iterator[R]:
        """Those that are asked first come first."""
        return iter(self._rules)

    def find(self, matches: Callable[[R], bool]) -> R | None:
        """The one to take."""
        return next((rule for rule in self._rules if not rule.used_up and matches(rule)), None)

    def nearest(self, difference: Callable[[R], tuple[float, str]]) -> str:
        """What to say of the nearest one; "" if there are none."""
        return max((difference(rule) for rule in self._rules), default=(0.0, ""))[1]

    def unused(self) -> list[str]:
        """A sentence for each script that was not used as often as required."""
        found = []
        for index in reversed(range(len(self._rules))):
            text = self._rules[index].unused()
            hiding = [rule for rule in self._rules[:index] if rule.hides(self._rules[index])]
            if text:
                found.append(f"{text}; {hiding[-1]} comes first" if hiding else text)
        return found


def place_of_caller() -> str:
    """File and line of the first caller outside this package."""
    package = __name__.partition(".")[0]
    frame = inspect.currentframe()
    while frame and frame.f_globals.get("__name__", "").partition(".")[0] == package:
        frame = frame.f_back
    if frame is None:
        return "?"
    return f"{os.path.basename(frame.f_code.co_filename)}:{frame.f_lineno}"


def check_seconds(seconds: float) -> None:
    """Refuse a negative or infinite time.

    Raises:
        ValueError: it is negative or infinite.
    """
    if not 0 <= seconds < math.inf:
        raise ValueError(f"time passes by 0 seconds or more, not {seconds!r}")
