"""The state of a shell: variables, functions, options, traps and jobs."""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from ..condition import Condition
from ..processes.process import SandboxProcess
from .expand import Expansion
from .syntax import Command, CommandList


class ShellState(ABC):
    """What a shell knows, and what its commands may ask it to run.

    Args:
        proc: the process it runs in.
        name: `$0`.
        arguments: `$1` and so on.
        bash: whether it was called as bash.
    """

    def __init__(
        self, proc: SandboxProcess, name: str, arguments: Sequence[str], *, bash: bool
    ) -> None:
        self.proc = proc
        self.name = name
        self.arguments = list(arguments)
        self.bash = bash
        self.pid = proc.pid
        # A shell takes no separators from outside, and knows its folder better than the caller.
        self.variables = {**proc.env, "IFS": " \t\n", "PWD": working_directory(proc)}
        self.exported = {*proc.env, "PWD"}
        self.functions: dict[str, Command] = {}
        self.locals: list[dict[str, str | None]] = []
        self.options: set[str] = set()
        self.traps: dict[int, str] = {}
        self.jobs: list[SandboxProcess] = []
        self.last = 0
        self.last_job: int | None = None
        self.last_substitution = 0
        self.caught = Condition()
        self.pending: list[int] = []
        self.expansion = Expansion(self)

    # Variables.

    def lookup(self, name: str) -> str | None:
        """The value of a variable or a special parameter."""
        if name.isdigit():
            index = int(name)
            if index == 0:
                return self.name
            return self.arguments[index - 1] if index <= len(self.arguments) else None
        special = {
            "?": str(self.last),
            "$": str(self.pid),
            "#": str(len(self.arguments)),
            "!": None if self.last_job is None else str(self.last_job),
            "-": "".join(sorted(option for option in self.options if len(option) == 1)),
        }
        return special[name] if name in special else self.variables.get(name)

    def assign(self, name: str, value: str) -> None:
        """Set a variable."""
        self.variables[name] = value
        if "a" in self.options:
            self.exported.add(name)

    def unset_is_an_error(self, name: str) -> bool:
        """Whether using an unset variable ends the script (`set -u`)."""
        return "u" in self.options

    def environment(self) -> dict[str, str]:
        """What programs are given."""
        return {n: v for n, v in self.variables.items() if n in self.exported}

    @asynccontextmanager
    async def assigned(self, values: dict[str, str], *, keep: bool) -> AsyncIterator[None]:
        """Set variables for the length of a `with`, or with `keep` for good."""
        before = {name: self.variables.get(name) for name in values}
        for name, value in values.items():
            self.assign(name, value)
        try:
            yield
        finally:
            if not keep:
                for name, old in before.items():
                    self.restore(name, old)

    def restore(self, name: str, value: str | None) -> None:
        """Set a variable to what it was, or forget it."""
        if value is None:
            self.variables.pop(name, None)
        else:
            self.variables[name] = value

    def which(self, name: str) -> str | None:
        """The path of a program, or `None`."""
        try:
            return self.proc.kernel.find(name, self.environment(), self.proc.cwd)
        except OSError:
            return None

    def on_signal(self, number: int) -> None:
        """A signal with a trap arrived; the trap runs after the command under way."""
        self.pending.append(number)
        self.caught.notify_all()

    # Running, which `Shell` does.

    @abstractmethod
    async def run_text(self, text: str) -> int:
        """Parse and run a script, in this shell."""

    @abstractmethod
    async def run(self, script: CommandList) -> int:
        """Run commands one after another; the code of the last."""

    @abstractmethod
    async def holds(self, condition: CommandList) -> bool:
        """Whether commands succeed; `set -e` does not count in them."""

    @abstractmethod
    def start(self, words: list[str]) -> SandboxProcess:
        """Start a program with the environment and the descriptors of the shell."""

    @abstractmethod
    async def output_of(self, script: CommandList) -> str:
        """What a script prints, without the line ends at its end."""


def working_directory(proc: SandboxProcess) -> str:
    """The path of the working directory, or nothing if it was removed."""
    try:
        return proc.fs.path_of(proc.cwd)
    except FileNotFoundError:
        return ""
