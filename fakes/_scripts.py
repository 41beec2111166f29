"""Scripts: what commands do that are not there."""

import asyncio
import inspect
import signal as signals
from collections.abc import Awaitable, Callable, Mapping, Sequence
from types import EllipsisType

from ..engine import EngineError, ExitStatus
from ._bounded import bounded
from ._call import Call
from ._matching import Matcher, Pattern
from ._proc import Proc, Program
from ._rules import Rule, check_seconds

#: What a handler returns: an exit code, output, or nothing for 0.
Result = int | str | bytes | None
Handler = Callable[[Call], Result | Awaitable[Result]]


class Script(Rule[Call, Program]):
    """What happens when a command is run that matches; made by `FakeEngine.on_exec`.

    Without anything further it succeeds and prints nothing.
    """

    def __init__(self, words: Sequence[Matcher | EllipsisType], place: str) -> None:
        super().__init__(place)
        self._pattern = Pattern(words)
        self._error: OSError | EngineError | None = None

    @property
    def title(self) -> str:
        """What it is for."""
        return f"`{self._pattern}`"

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
        check_seconds(every)

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

    # What the engine asks.

    def matches(self, proc: Proc, argv: Sequence[str]) -> bool:
        """Whether it is for a command line."""
        return self._pattern.matches(argv) and self.holds(lambda: _call(proc, argv))

    def program(self) -> Program:
        """What to run; raises what the script says cannot be started."""
        self.use()
        if self._error is not None:
            raise self._error

        async def main(proc: Proc) -> int:
            if self._delay:
                await proc.sleep(self._delay)
            return await self._action(proc) if self._action else 0

        return main

    def difference(self, argv: Sequence[str]) -> tuple[float, str]:
        """How near a command line comes, and a text that says why it does not match."""
        lines = self._pattern.difference(argv)
        if not lines:
            used_up = f"it was used {self._used} times"
            lines = [used_up if self.used_up else "a condition does not hold"]
        text = "\n".join([f"the nearest script is {self}", *(f"    {line}" for line in lines)])
        return self._pattern.likeness(argv), text


def _call(proc: Proc, argv: Sequence[str]) -> Call:
    """A call as it would be: a shell asks before there is a process."""
    call = Call(proc)
    call.argv = tuple(argv)
    return call


def _check_code(code: int) -> None:
    if not 0 <= code <= 255:
        raise ValueError(f"an exit code is 0 to 255, not {code!r}")
