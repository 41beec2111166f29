"""Scripts: what commands do that are not there."""

import signal as signals
from collections.abc import Callable, Mapping, Sequence
from types import EllipsisType

from pytest_sandbox.engine import EngineError

from ..processes.process import SandboxProcess
from ..processes.snapshotable import Pause, Snapshotable
from .actions import Delayed, Handler, Hang, Nothing, Reply, RunHandler, Stream, check_code
from .call import Call
from .matching import Matcher, Pattern
from .rules import Rule, check_seconds


class Script(Rule[Call, Callable[[], Snapshotable]]):
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
        check_code(code)
        if signal is not None and signal not in signals.valid_signals():
            raise ValueError(f"{signal!r} is not a signal")

        given = dict(files or {})
        return self._act(lambda: Reply(stdout, stderr, code, signal, given))

    def calls(self, handler: Handler, *, stdin: bool = False) -> "Script":
        """Ask a function, plain or asynchronous, which is given the `Call`.

        An exception ends the command with exit code 70, and is reported in `FakeEngine.problems`.

        Args:
            handler: returns the exit code, or output as text or bytes, or nothing for 0.
            stdin: read all input first, for `Call.stdin`; a plain function cannot wait for it.
        """
        return self._act(lambda: RunHandler(handler, stdin=stdin))

    def stream(
        self, chunks: Sequence[str | bytes], *, every: float = 0.0, code: int = 0
    ) -> "Script":
        """Print pieces, each after so many seconds, and end.

        Raises:
            ValueError: the code or the time cannot be.
        """
        check_code(code)
        check_seconds(every)
        parts = [chunk.encode() if isinstance(chunk, str) else chunk for chunk in chunks]
        return self._act(lambda: Stream(parts, every, code))

    def hang(self) -> "Script":
        """Never end by itself."""
        return self._act(Hang)

    def raises(self, error: OSError | EngineError) -> "Script":
        """Fail to start: the error reaches the caller of `exec`.

        An `OSError` becomes `SpawnFailed`; a shell that runs the command reports either.
        """
        if not isinstance(error, (OSError, EngineError)):
            raise TypeError(f"a command fails to start with OSError or EngineError, not {error!r}")
        self._error = error
        return self

    # What the engine asks.

    def matches(self, proc: SandboxProcess, argv: Sequence[str]) -> bool:
        """Whether it is for a command line."""
        return self._pattern.matches(argv) and self.holds(proc.kernel, lambda: _call(proc, argv))

    def program(self) -> Snapshotable:
        """What to run; raises what the script says cannot be started."""
        self.use()
        if self._error is not None:
            raise self._error
        action = self._action() if self._action else Nothing()
        return Delayed(Pause(self._delay), action) if self._delay else action

    def difference(self, argv: Sequence[str]) -> tuple[float, str]:
        """How near a command line comes, and a text that says why it does not match."""
        lines = self._pattern.difference(argv)
        if not lines:
            used_up = f"it was used {self._used} times"
            lines = [used_up if self.used_up else "a condition does not hold"]
        text = "\n".join([f"the nearest script is {self}", *(f"    {line}" for line in lines)])
        return self._pattern.likeness(argv), text


def _call(proc: SandboxProcess, argv: Sequence[str]) -> Call:
    """A call as it would be: a shell asks before there is a process."""
    call = Call(proc)
    call.argv = tuple(argv)
    return call
