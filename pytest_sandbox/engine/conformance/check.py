"""A check: one sentence of the contract, and the code that checks it."""

from collections.abc import Awaitable, Callable
from types import ModuleType

from pytest_sandbox._shared.lazy_dataclass import dataclass

from .. import Capability, Engine

#: Checks one sentence on a started engine, and raises `AssertionError` if it does not hold.
CheckFunction = Callable[[Engine], Awaitable[None]]

_needs: dict[CheckFunction, frozenset[Capability]] = {}
_lacks: dict[CheckFunction, frozenset[Capability]] = {}
_isolated: dict[CheckFunction, str] = {}


@dataclass(frozen=True)
class Check:
    """One sentence of the contract and the code that checks it.

    Attributes:
        name: `"processes.exit_code"`: the concern and the sentence in short.
        needs: what an engine must be capable of for the sentence to apply to it.
        lacks: what it must not be capable of, for that: the sentence is about saying so.
        function: raises `AssertionError`, with what was seen, where an engine breaks it.
        isolated: what the sentence says of a task that is isolated, and cannot say of another one;
            empty if it holds without `Capability.ISOLATION` too.
    """

    name: str
    needs: frozenset[Capability]
    lacks: frozenset[Capability]
    function: CheckFunction
    isolated: str = ""

    def __str__(self) -> str:
        return self.name

    @property
    def sentence(self) -> str:
        """The sentence of the contract."""
        return (self.function.__doc__ or "").partition("\n\n")[0]

    def applies_to(self, capabilities: frozenset[Capability]) -> bool:
        """Whether an engine with these capabilities must pass the check."""
        return not self.mismatch(capabilities)

    def mismatch(self, capabilities: frozenset[Capability]) -> str:
        """Why the check does not apply to an engine with these capabilities; empty if it does."""
        if self.isolated and Capability.ISOLATION not in capabilities:
            return f"the engine does not isolate: {self.isolated}"
        missing = sorted(need.value for need in self.needs - capabilities)
        beyond = sorted(lack.value for lack in self.lacks & capabilities)
        if missing:
            return f"the engine cannot do this here: {', '.join(missing)}"
        return f"the engine can do this: {', '.join(beyond)}" if beyond else ""

    async def run(self, engine: Engine) -> None:
        """Run the check on a started engine; the check ends the tasks it creates."""
        await self.function(engine)


def requires(*capabilities: Capability) -> Callable[[CheckFunction], CheckFunction]:
    """Say that a check applies only to engines with these capabilities."""

    def register(function: CheckFunction) -> CheckFunction:
        _needs[function] = frozenset(capabilities)
        return function

    return register


def lacking(*capabilities: Capability) -> Callable[[CheckFunction], CheckFunction]:
    """Say that a check applies only to engines without these capabilities."""

    def register(function: CheckFunction) -> CheckFunction:
        _lacks[function] = frozenset(capabilities)
        return function

    return register


def isolated(what: str) -> Callable[[CheckFunction], CheckFunction]:
    """Say that a check applies only to engines that isolate.

    Args:
        what: what else is not so: `"the root directory is the machine's"`.
    """

    def register(function: CheckFunction) -> CheckFunction:
        _isolated[function] = what
        return function

    return register


def collect(*modules: ModuleType) -> tuple[Check, ...]:
    """The `check_...` functions of modules, in the order in which they are written.

    What all checks of a module need, it says with `NEEDS`.
    """
    return tuple(
        Check(
            name=f"{module.__name__.rpartition('.')[2]}.{name.removeprefix('check_')}",
            needs=_needs.get(function, frozenset()) | getattr(module, "NEEDS", frozenset()),
            lacks=_lacks.get(function, frozenset()),
            function=function,
            isolated=_isolated.get(function, ""),
        )
        for module in modules
        for name, function in vars(module).items()
        if name.startswith("check_")
    )
