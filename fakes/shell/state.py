"""The state of a shell: variables, functions, options, traps and jobs."""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from pytest_sandbox.engine import DEFAULT_PATH

from ..condition import Condition
from ..files.inode import Regular
from ..processes.process import SandboxProcess
from .expand import Expansion
from .syntax import Command, CommandList
from .words import Unknown

#: Variables that shells fill in themselves, and this one does not.
_DYNAMIC = frozenset(("LINENO", "PPID"))
_DYNAMIC_IN_BASH = frozenset(
    ("BASH", "BASHPID", "BASH_VERSION", "BASH_SOURCE", "BASH_VERSINFO", "EPOCHREALTIME",
     "EPOCHSECONDS", "EUID", "FUNCNAME", "GROUPS", "HOSTNAME", "HOSTTYPE", "MACHTYPE", "OSTYPE",
     "PIPESTATUS", "RANDOM", "SECONDS", "SHELLOPTS", "SHLVL", "SRANDOM", "UID", "_")
)  # fmt: skip


class ShellState(ABC):
    """What a shell knows, and what its commands may ask it to run.

    Args:
        proc: the process it runs in.
        name: `$0`.
        arguments: `$1` and so on.
        bash: whether it was called as bash.

    Attributes:
        invoked: `c` for a script in its arguments, `s` for one that it reads from its input.
    """

    invoked = ""

    def __init__(
        self, proc: SandboxProcess, name: str, arguments: Sequence[str], *, bash: bool
    ) -> None:
        self.proc = proc
        self.name = name
        self.arguments = list(arguments)
        self.bash = bash
        self.pid = proc.pid
        self.folder = _named_folder(proc)  # by which links it was reached, too
        # A shell takes no separators from outside, and knows its folder better than the caller.
        self.variables = {"PATH": DEFAULT_PATH, "OPTIND": "1", "PS4": "+ ", **proc.env}
        self.variables |= {"IFS": " \t\n", "PWD": self.folder}
        self.exported = {*proc.env, "PWD"}
        self.functions: dict[str, Command] = {}
        self.locals: list[dict[str, str | None]] = []
        self.options: set[str] = set()
        self.traps: dict[int, str] = {}
        self.jobs: list[SandboxProcess] = []
        self.codes: dict[int, int] = {}  # of the jobs that were waited for
        self.loops = 0  # around the present command
        self.sourcing = 0  # scripts that are run with `.`
        self.last = 0
        self.last_job: int | None = None
        self.last_substitution = 0
        self.caught = Condition()
        self.pending: list[int] = []

    @property
    def expansion(self) -> Expansion:
        """Expands words with its variables; made anew, as it refers to this."""
        return Expansion(self)

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
            "-": self._flags(),
        }
        value = special[name] if name in special else self.variables.get(name)
        if value is None and (name in _DYNAMIC or (self.bash and name in _DYNAMIC_IN_BASH)):
            raise Unknown(f"the variable {name}")
        return value

    def _flags(self) -> str:
        """What `$-` is; both shells have an order of their own."""
        order, always = ("aehuxB", "hB") if self.bash else ("uaxe", "")
        return "".join(c for c in order if c in self.options or c in always) + (
            self.invoked if self.bash or self.invoked == "s" else ""
        )

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
        path = {"PATH": self.variables.get("PATH", "")}
        try:
            found = self.proc.kernel.find(name, path, self.proc.cwd)
            inode = self.proc.fs.lookup(found, base=self.proc.cwd)
        except OSError:
            return None
        return found if isinstance(inode, Regular) and inode.mode & 0o111 else None

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


def _named_folder(proc: SandboxProcess) -> str:
    """The working directory as the caller names it, if that is right."""
    named = proc.env.get("PWD", "")
    if named[:1] == "/" and not {".", ".."} & set(named.split("/")):
        try:
            if proc.fs.folder(named, base=proc.cwd) == proc.cwd:
                return named
        except OSError:
            pass
    return working_directory(proc)


def working_directory(proc: SandboxProcess) -> str:
    """The path of the working directory, or nothing if it was removed."""
    try:
        return proc.fs.path_of(proc.cwd)
    except FileNotFoundError:
        return ""
