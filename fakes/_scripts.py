"""Scripts: what commands do that are not there."""

import asyncio
import inspect
import math
import os
import shlex
import signal as signals
from collections.abc import Awaitable, Callable, Mapping, Sequence
from types import EllipsisType

from ..engine import EngineError, ExitStatus
from ._bounded import bounded
from ._call import Call
from ._matching import Matcher, Pattern
from ._proc import Proc, Program

#: What a handler returns: an exit code, output, or nothing for 0.
Result = int | str | bytes | None
Handler = Callable[[Call], Result | Awaitable[Result]]


class Script:
    """What happens when a command is run that matches; made by `FakeEngine.on_exec`.

    Without anything further it succeeds and prints nothing, any number of times, at least once.
    """

    def __init__(self, pattern: Pattern, place: str) -> None:
        self._pattern = pattern
        self._place = place
        self._conditions: list[Callable[[Call], bool]] = []
        self._action: Callable[[Proc], Awaitable[int]] | None = None
        self._error: OSError | EngineError | None = None
        self._delay = 0.0
        self._times: int | None = None
        self._optional = False
        self._used = 0

    # What it is for.

    def where(self, condition: Callable[[Call], bool]) -> "Script":
        """Only for calls that fulfil a condition: on their folder, environment or files."""
        self._conditions.append(condition)
        return self

    def times(self, count: int) -> "Script":
        """Exactly so many times; after that it no longer matches, and an older script may.

        Raises:
            ValueError: not a positive number.
        """
        if count < 1:
            raise ValueError(f"a script is used once or more, not {count!r} times")
        self._times = count
        return self

    def optional(self) -> "Script":
        """It need not be used."""
        self._optional = True
        return self

    # What it does.

    def reply(
        self,
        *,
        stdout: str | bytes = b"",
        stderr: str | bytes = b"",
        code: int = 0,
        signal: int | None = None,
        files: Mapping[str, str | bytes] | None = None,
    ) -> "Script":
        """Write files and output, and end.

        Args:
            stdout: what it prints.
            stderr: what it prints to standard error.
            code: its exit code, 0 to 255.
            signal: the signal that ends it instead.
            files: path, relative to its folder or absolute, to content.

        Raises:
            ValueError: the code or the signal cannot be.
        """
        _check_code(code)
        if signal is not None and signal not in signals.valid_signals():
            raise ValueError(f"{signal!r} is not a signal")

        async def action(proc: Proc) -> int:
            call = Call(proc)
            for path, data in (files or {}).items():
                call.files.write(path, data)
            call.out(stdout)
            call.err(stderr)
            await call.flush()
            if signal is not None:
                proc.end(ExitStatus(signal=int(signal)))
                proc.check()
            return code

        return self._act(action)

    def calls(self, handler: Handler, *, stdin: bool = False) -> "Script":
        """Ask a function, plain or asynchronous, which is given the `Call`.

        What it raises ends the command with 70 and is kept in `FakeEngine.problems`.

        Args:
            handler: returns the exit code, or output as text or bytes, or nothing for 0.
            stdin: read all input first, for `Call.stdin`; a plain function cannot wait for it.
        """

        async def action(proc: Proc) -> int:
            call = Call(proc)
            if stdin:
                call.stdin = await call.read_all()
            result = bounded(lambda: handler(call))
            if inspect.isawaitable(result):
                result = await result
            if isinstance(result, (str, bytes)):
                call.out(result)
            await call.flush()
            code = result if isinstance(result, int) else 0
            _check_code(code)
            return code

        return self._act(action)

    def stream(
        self, chunks: Sequence[str | bytes], *, every: float = 0.0, code: int = 0
    ) -> "Script":
        """Print pieces, each after so many seconds, and end.

        Raises:
            ValueError: the code or the time cannot be.
        """
        _check_code(code)
        _check_seconds(every)

        async def action(proc: Proc) -> int:
            for chunk in chunks:
                if every:
                    await proc.sleep(every)
                await proc.write(1, chunk.encode() if isinstance(chunk, str) else chunk)
            return code

        return self._act(action)

    def hang(self) -> "Script":
        """Never end by itself."""

        async def action(proc: Proc) -> int:
            await asyncio.get_running_loop().create_future()
            return 0

        return self._act(action)

    def raises(self, error: OSError | EngineError) -> "Script":
        """Fail to start: the error reaches the caller of `exec`.

        An `OSError` becomes `SpawnFailed`; a shell that runs the command reports either.
        """
        if not isinstance(error, (OSError, EngineError)):
            raise TypeError(f"a command fails to start with OSError or EngineError, not {error!r}")
        self._error = error
        return self

    def delay(self, seconds: float) -> "Script":
        """Let time pass on the clock of the engine before it does anything.

        Raises:
            ValueError: the time is negative or infinite.
        """
        _check_seconds(seconds)
        self._delay = seconds
        return self

    def _act(self, action: Callable[[Proc], Awaitable[int]]) -> "Script":
        if self._action is not None:
            raise ValueError(f"the script for {self} has an action already; make a second one")
        self._action = action
        return self

    # What the engine asks.

    def matches(self, proc: Proc, argv: Sequence[str]) -> bool:
        """Whether it is for a command line, and not used up."""
        if self._times is not None and self._used >= self._times:
            return False
        if not self._pattern.matches(argv):
            return False
        return not self._conditions or self._conditions_hold(proc, argv)

    def _conditions_hold(self, proc: Proc, argv: Sequence[str]) -> bool:
        call = Call(proc)
        call.argv = tuple(argv)
        return all(condition(call) for condition in self._conditions)

    def program(self) -> Program:
        """What to run; raises what the script says cannot be started."""
        self._used += 1
        if self._error is not None:
            raise self._error

        async def main(proc: Proc) -> int:
            if self._delay:
                await proc.sleep(self._delay)
            return await self._action(proc) if self._action else 0

        return main

    def hides(self, other: "Script") -> bool:
        """Whether it takes every call that an older script is for."""
        endless = self._times is None and not self._conditions
        return endless and str(self._pattern) == str(other._pattern)

    def unused(self) -> str | None:
        """A sentence, if it was used less often than it had to be."""
        least = self._times or 1
        if self._optional or self._used >= least:
            return None
        return f"the script for {self} was used {self._used} times, not {least}"

    def difference(self, argv: Sequence[str]) -> tuple[float, str]:
        """How near a command line comes, and a text that says why it does not match."""
        lines = self._pattern.difference(argv)
        if not lines:
            used_up = self._times is not None and self._used >= self._times
            lines = [f"it was used {self._used} times" if used_up else "a condition does not hold"]
        text = "\n".join([f"the nearest script is {self}", *(f"    {line}" for line in lines)])
        return self._pattern.likeness(argv), text

    def __str__(self) -> str:
        return f"`{self._pattern}` ({self._place})"


class Scripts:
    """All scripts of an engine; the last that matches is taken."""

    def __init__(self) -> None:
        self._scripts: list[Script] = []

    def add(self, words: Sequence[Matcher | EllipsisType], place: str) -> Script:
        """A new script, asked before all others."""
        script = Script(Pattern(words), place)
        self._scripts.insert(0, script)
        return script

    def find(self, proc: Proc, argv: Sequence[str]) -> Script | None:
        """The script for a command."""
        return next((script for script in self._scripts if script.matches(proc, argv)), None)

    def nearest(self, argv: Sequence[str]) -> str:
        """A sentence about the script that comes nearest to a command."""
        if not self._scripts:
            return "no command is scripted; see FakeEngine.on_exec"
        return max(script.difference(argv) for script in self._scripts)[1]

    def unused(self) -> list[str]:
        """A sentence for each script that was used too seldom."""
        found = []
        for index in reversed(range(len(self._scripts))):
            text = self._scripts[index].unused()
            hiding = [s for s in self._scripts[:index] if s.hides(self._scripts[index])]
            if text:
                found.append(f"{text}; {hiding[-1]} comes first" if hiding else text)
        return found


def shown(argv: Sequence[str]) -> str:
    """A command line as one would type it, cut if it is long."""
    text = shlex.join(argv)
    return text if len(text) <= 200 else f"{text[:200]}... ({len(text)} characters)"


def place_of_caller(depth: int) -> str:
    """File and line of the code that called, `depth` frames above the caller of this."""
    frame = inspect.currentframe()
    for _ in range(depth + 1):
        frame = frame.f_back if frame else None
    if frame is None:
        return "?"
    return f"{os.path.basename(frame.f_code.co_filename)}:{frame.f_lineno}"


def _check_code(code: int) -> None:
    if not 0 <= code <= 255:
        raise ValueError(f"an exit code is 0 to 255, not {code!r}")


def _check_seconds(seconds: float) -> None:
    if not 0 <= seconds < math.inf:
        raise ValueError(f"time passes by 0 seconds or more, not {seconds!r}")
