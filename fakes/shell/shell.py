"""Runs shell scripts."""

import errno
import os
import signal
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager

from ..processes.description import Description
from ..processes.process import Exit, SandboxProcess
from ..programs import NotSupported, complain, execute, problem, refuse, run
from .builtins import NOT_BUILTIN, builtins
from .compound import COMPOUNDS
from .control import SPECIAL, Break, CannotFork, Return
from .inside import inside
from .parse import parse
from .redirect import apply, redirected
from .state import ShellState
from .syntax import (
    AndOr,
    Command,
    CommandList,
    ConditionalExpression,
    Group,
    Pipeline,
    Redirect,
    Redirected,
    Simple,
)
from .words import SyntaxProblem, Unknown


class Shell(ShellState):
    """A shell that runs scripts; see `ShellState` for its arguments."""

    def __init__(
        self, proc: SandboxProcess, name: str, arguments: Sequence[str], *, bash: bool
    ) -> None:
        super().__init__(proc, name, arguments, bash=bash)
        self._trusting = 0  # depth of conditions, in which `set -e` does not count

    def copy(self, proc: SandboxProcess) -> "Shell":
        """A shell with the same state in another process: a subshell."""
        other = Shell(proc, self.name, self.arguments, bash=self.bash)
        other.pid, other.folder, other.invoked = self.pid, self.folder, self.invoked
        other.variables = dict(self.variables)
        other.exported = set(self.exported)
        other.functions = dict(self.functions)
        other.options = set(self.options)
        other.last, other.last_job = self.last, self.last_job
        other._trusting, other.loops = self._trusting, 0 if self.bash else self.loops
        other.sourcing = self.sourcing
        other.locals = [{} for _ in self.locals]
        return other

    # Running.

    async def run_text(self, text: str) -> int:
        """Parse and run a script, in this shell, which ends if no shell would run it."""
        try:
            script = await self._parsed(text)
            return 2 if script is None else await self.run(script)
        except RecursionError:
            await complain(self.proc, self.name, "1: Syntax error: nested too deeply")
            return 2

    async def _parsed(self, text: str) -> CommandList | None:
        try:
            return parse(text, bash=self.bash)
        except SyntaxProblem as error:
            if error.before:
                await self.run(error.before)
            await complain(self.proc, self.name, f"1: Syntax error: {error}")
            if not self.bash:
                raise Exit(2) from None
            return None

    async def run(self, script: CommandList) -> int:
        """Run commands one after another; the code of the last."""
        self.last = 0 if not script.items else self.last
        for item in script.items:
            if item.background:
                self._background(item)
            else:
                await self._and_or(item)
        return self.last

    async def _and_or(self, item: AndOr) -> None:
        await self._pipeline(item.first, last=not item.rest)
        for index, (operator, pipeline) in enumerate(item.rest):
            if (self.last == 0) == (operator == "&&"):
                await self._pipeline(pipeline, last=index == len(item.rest) - 1)

    async def _pipeline(self, pipeline: Pipeline, *, last: bool) -> None:
        trusting = pipeline.negated or not last
        self._trusting += trusting
        try:
            if len(pipeline.commands) == 1:
                self.last = await self.run_command(pipeline.commands[0])
            else:
                self.last = await self._pipes(pipeline.commands)
        finally:
            self._trusting -= trusting
        if pipeline.negated:
            self.last = int(not self.last)
        await self.run_traps()
        if self.last and "e" in self.options and not (self._trusting or trusting):
            first = pipeline.commands[0]
            # A compound command that failed did so where `set -e` does not count.
            if len(pipeline.commands) > 1 or _simple_or_subshell(first):
                raise Exit(self.last)

    async def _pipes(self, commands: Sequence[Command]) -> int:
        children = []
        incoming: Description | None = None
        for index, command in enumerate(commands):
            fds = dict(self.proc.fds)
            made: list[Description] = [incoming] if incoming else []
            if incoming:
                fds[0] = incoming
            incoming = None
            if index < len(commands) - 1:
                incoming, outgoing = self.proc.pipe()
                fds[1] = outgoing
                made.append(outgoing)
            try:
                children.append(self._fork(command, fds, *made))
            except CannotFork:
                if incoming:
                    incoming.release()
                raise
        codes = [(await child.wait()).returncode for child in children]
        if "pipefail" in self.options:
            return next((code for code in reversed(codes) if code), 0)
        return codes[-1]

    def _background(self, item: AndOr) -> None:
        command: Command = Group(CommandList((AndOr(item.first, item.rest),)))
        if not item.rest and len(item.first.commands) == 1 and not item.first.negated:
            command = item.first.commands[0]
        nothing = self.proc.open("/dev/null", os.O_RDONLY)
        child = self._fork(command, {**self.proc.fds, 0: nothing}, nothing)
        child.handlers.update({signal.SIGINT: None, signal.SIGQUIT: None})
        self.jobs.append(child)
        self.last_job, self.last = child.pid, 0

    def _fork(
        self,
        command: Command,
        fds: dict[int, Description],
        *passed_on: Description,
        substituted: bool = False,
    ) -> SandboxProcess:
        """Run a command in a subshell, which alone keeps what is `passed_on`.

        Where its output is substituted, bash does not end it for `set -e`.
        """

        async def main(proc: SandboxProcess) -> int:
            shell = self.copy(proc)
            if substituted and self.bash:
                shell.options.discard("e")
            return await shell.whole(lambda: shell.run_command(command, alone=True))

        try:
            return self.proc.kernel.fork(self.proc, main, fds)
        except OSError as error:
            raise CannotFork(str(error.strerror)) from None
        finally:
            for description in passed_on:
                description.release()

    async def whole(self, body: Callable[[], Awaitable[int]]) -> int:
        """Run something as all that this process does: what ends the shell ends it here."""
        try:
            code = await self._guarded(body)
        except Exit as exit_:
            code = exit_.code
        self.last = code
        if 0 in self.traps:
            try:
                await self.run_text(self.traps.pop(0))
            except Exit as exit_:
                code = exit_.code
        return code

    async def _guarded(self, body: Callable[[], Awaitable[int]]) -> int:
        try:
            return await body()
        except SyntaxProblem as error:
            await complain(self.proc, self.name, f"1: {error}")
            whole = self.invoked == "c" and self.proc.pid == self.pid
            return 2 if not self.bash else 127 if whole else 1
        except Unknown as error:
            return await refuse(self.proc, self.name, str(error))
        except CannotFork as error:
            await complain(self.proc, self.name, f"1: Cannot fork: {error}")
            return 2
        except Return as error:
            return error.code
        except Break:
            return self.last

    # Commands.

    async def run_command(self, command: Command, *, alone: bool = False) -> int:
        """Run a command; `alone` if the process has nothing else to do."""
        if isinstance(command, Simple):
            return await self._simple(command, alone=alone)
        if isinstance(command, Redirected):
            try:
                async with self._redirected(command.redirects):
                    return await self.run_command(command.command)
            except OSError as error:
                await complain(self.proc, self.name, f"1: {problem(error)}")
                return 1 if self.bash else 2
        if isinstance(command, Group):
            if not command.subshell or alone:
                return await self.run(command.body)
            inside = Group(command.body)
            return (await self._fork(inside, self.proc.fds).wait()).returncode
        return await COMPOUNDS[type(command)](self, command)

    async def holds(self, condition: CommandList) -> bool:
        """Whether commands succeed; `set -e` does not count in them."""
        self._trusting += 1
        try:
            return await self.run(condition) == 0
        finally:
            self._trusting -= 1

    async def _simple(self, command: Simple, *, alone: bool) -> int:
        self.last_substitution = 0
        words = await self.expansion.fields(command.words)
        if "x" in self.options and words:
            await self.proc.complain("+ " + " ".join(words))
        try:
            if not words:
                return await self._assign(command)
            values = await self._values(command)
            return await self._words(words, values, command.redirects, alone=alone)
        except OSError as error:
            if error.errno == errno.EPIPE:
                raise
            await complain(self.proc, self.name, f"1: {problem(error)}")
            code = 1 if self.bash else 2
            ends = not self.bash and words and words[0] in SPECIAL
            return _fatal(code) if ends else code

    async def _assign(self, command: Simple) -> int:
        """Assign, one after another; in `sh` only if the files of the redirections open."""
        try:
            async with self._redirected(command.redirects):
                pass
        except OSError:
            if self.bash:
                await self._assign(Simple(command.assignments))
            raise
        for name, word in command.assignments:
            self.assign(name, await self.expansion.text(word))
        return self.last_substitution

    async def _values(self, command: Simple) -> dict[str, str]:
        """What is assigned for one command; each expansion sees the assignments before it."""
        values: dict[str, str] = {}
        before: dict[str, str | None] = {}
        try:
            for name, word in command.assignments:
                values[name] = await self.expansion.text(word)
                before.setdefault(name, self.variables.get(name))
                self.variables[name] = values[name]
        finally:
            for name, old in before.items():
                self.restore(name, old)
        return values

    async def _words(
        self,
        words: list[str],
        values: dict[str, str],
        redirects: Sequence[Redirect],
        *,
        alone: bool,
    ) -> int:
        name = words[0]
        if name == "exec":
            return await self._exec(words[1:], values, redirects)
        builtin, utility = builtins(self).get(name), inside(name, bash=self.bash)
        scripted = builtin is None and self._scripted(words)
        if name in self.functions or builtin or (utility and not scripted):
            async with self._redirected(redirects), self.assigned(values, keep=name in SPECIAL):
                if name in self.functions and (self.bash or name not in SPECIAL):
                    return await self._call(self.functions[name], words[1:])
                if builtin:
                    return await self._builtin(builtin, words)
                assert utility is not None
                return await run(self.proc, utility, words)
        if name in NOT_BUILTIN and not scripted:
            return await refuse(self.proc, self.name, f"the command {name}")
        environment = {**self.environment(), **values}
        # A path for commands that was unset, or not exported, is no path for `execve(2)`.
        if "PATH" not in environment and not scripted and self.which(name) is None:
            await complain(self.proc, self.name, f"1: {name}: not found")
            return 127
        if alone and not self.traps:
            await self._apply(redirects, self.proc.fds)
            self.proc.argv = (self.name,)
            return await execute(self.proc, words, environment, forgiving=True)
        fds = {fd: description.share() for fd, description in self.proc.fds.items()}
        try:
            await self._apply(redirects, fds)
            child = self._program(words, environment, fds)
        finally:
            for description in fds.values():
                description.release()
        return (await child.wait()).returncode

    def _scripted(self, words: Sequence[str]) -> bool:
        """Whether the test has a script for a command."""
        return self.proc.kernel.hooks.command(self.proc, words) is not None

    def start(self, words: list[str]) -> SandboxProcess:
        """Start a program with the environment and the descriptors of the shell."""
        return self._program(words, self.environment(), self.proc.fds)

    def _program(
        self, words: list[str], environment: dict[str, str], fds: dict[int, Description]
    ) -> SandboxProcess:
        async def main(proc: SandboxProcess) -> int:
            return await execute(proc, words, environment, forgiving=True)

        try:
            child = self.proc.kernel.fork(self.proc, main, fds)
        except OSError as error:
            raise CannotFork(str(error.strerror)) from None
        child.argv = (self.name,)
        return child

    async def _builtin(
        self, builtin: Callable[["Shell", list[str]], Awaitable[int]], words: list[str]
    ) -> int:
        try:
            return await builtin(self, words)
        except NotSupported as error:
            return await refuse(self.proc, words[0], str(error))

    async def _call(self, body: Command, arguments: list[str]) -> int:
        before, self.arguments = self.arguments, arguments
        self.locals.append({})
        loops, self.loops = self.loops, 0
        try:
            return await self.run_command(body)
        except Return as error:
            return error.code
        finally:
            self.arguments, self.loops = before, loops
            for name, value in self.locals.pop().items():
                self.restore(name, value)

    async def _exec(
        self, words: list[str], values: dict[str, str], redirects: Sequence[Redirect]
    ) -> int:
        try:
            await self._apply(redirects, self.proc.fds)
        except OSError as error:
            await complain(self.proc, self.name, f"1: {problem(error)}")
            if self.bash:
                return 1
            raise Exit(2) from None
        if not words:
            return 0
        if self.which(words[0]) is not None:
            self.traps.clear()
        self.proc.argv = (self.name,)
        raise Exit(await execute(self.proc, words, {**self.environment(), **values}))

    # Descriptors.

    def _redirected(self, redirects: Sequence[Redirect]) -> AbstractAsyncContextManager[None]:
        return redirected(self.proc, self.expansion, redirects)

    async def _apply(self, redirects: Sequence[Redirect], fds: dict[int, Description]) -> None:
        await apply(self.proc, self.expansion, redirects, fds)

    async def output_of(self, script: CommandList) -> str:
        """What a script prints, without the line ends at its end."""
        reader, writer = self.proc.pipe()
        parts = []
        try:
            fds = {**self.proc.fds, 1: writer}
            child = self._fork(Group(script), fds, writer, substituted=True)
            while data := await reader.read(65536):
                self.proc.hold(len(data))
                parts.append(data)
        finally:
            reader.release()
        self.proc.hold(-sum(map(len, parts)))
        self.last = self.last_substitution = (await child.wait()).returncode
        self.proc.check()
        return os.fsdecode(b"".join(parts).replace(b"\0", b"")).rstrip("\n")

    # Signals.

    async def run_traps(self) -> None:
        """Run the traps of the signals that came."""
        while self.pending:
            number = self.pending.pop(0)
            before = self.last
            await self.run_text(self.traps.get(number, ""))
            self.last = before


def _simple_or_subshell(command: Command) -> bool:
    if isinstance(command, Redirected):
        return _simple_or_subshell(command.command)
    if isinstance(command, Group):
        return command.subshell
    return isinstance(command, (Simple, ConditionalExpression))


def _fatal(code: int) -> int:
    raise Exit(code)
