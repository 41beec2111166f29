"""What scripts for commands do."""

import asyncio
import copy
import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from pytest_sandbox.engine import ExitStatus, NotFreezable

from ..processes.process import SandboxProcess
from ..processes.snapshotable import Pause, Snapshotable
from .call import Call

#: What a handler returns: an exit code, output, or nothing for 0.
Result = int | str | bytes | None
Handler = Callable[[Call], Result | Awaitable[Result]]


class Nothing(Snapshotable):
    """Succeed."""

    async def __call__(self, proc: SandboxProcess) -> int:
        """Succeed."""
        return 0

    def copy(self) -> "Nothing":
        """The same again."""
        return Nothing()


class Delayed(Snapshotable):
    """Let time pass, and then do something else."""

    def __init__(self, pause: Pause, then: Snapshotable) -> None:
        self._pause = pause
        self._then = then

    async def __call__(self, proc: SandboxProcess) -> int:
        """Let time pass, and run."""
        await self._pause.over(proc)
        return await self._then(proc)

    def copy(self) -> "Delayed":
        """What is left of the time, and of the rest."""
        return Delayed(self._pause.copy(), self._then.copy())


class Hang(Snapshotable):
    """Never end."""

    async def __call__(self, proc: SandboxProcess) -> int:
        """Wait for nothing."""
        await asyncio.get_running_loop().create_future()
        return 0

    def copy(self) -> "Hang":
        """The same again."""
        return Hang()


class Reply(Snapshotable):
    """Write files and output, and end by a code or a signal."""

    def __init__(
        self,
        stdout: str | bytes,
        stderr: str | bytes,
        code: int,
        signal: int | None,
        files: Mapping[str, str | bytes],
    ) -> None:
        self._said = (stdout, stderr, code, signal, files)
        self._begun = False

    async def __call__(self, proc: SandboxProcess) -> int:
        """Write it all."""
        self._begun = True
        stdout, stderr, code, signal, files = self._said
        call = Call(proc)
        for path, data in files.items():
            call.files.write(path, data)
        call.out(stdout)
        call.err(stderr)
        await call.flush()
        if signal is not None:
            proc.end(ExitStatus(signal=int(signal)))
            proc.check()
        return code

    def copy(self) -> "Reply":
        """The same, if it was not begun."""
        if self._begun:
            raise NotFreezable("it is in the middle of writing output that is not being read")
        return Reply(*self._said)


class Stream(Snapshotable):
    """Print pieces, each after so many seconds."""

    def __init__(self, chunks: Sequence[bytes], every: float, code: int) -> None:
        self._chunks = list(chunks)
        self._every = every
        self._code = code
        self._pause = Pause(every)
        self._writing = False

    async def __call__(self, proc: SandboxProcess) -> int:
        """Print what is left."""
        while self._chunks:
            await self._pause.over(proc)
            self._writing = True
            await proc.write(1, self._chunks[0])
            self._writing = False
            del self._chunks[0]
            self._pause = Pause(self._every)
        return self._code

    def copy(self) -> "Stream":
        """What is left of it."""
        if self._writing:
            raise NotFreezable("it is in the middle of writing output that is not being read")
        other = Stream(self._chunks, self._every, self._code)
        other._pause = self._pause.copy()
        return other


class RunHandler(Snapshotable):
    """Call a handler of the test; a copy calls it again, with what it noted in `Call.state`."""

    def __init__(
        self,
        handler: Handler,
        *,
        stdin: bool,
        state: dict[str, Any] | None = None,
        resumed: bool = False,
    ) -> None:
        self._handler = handler
        self._stdin = stdin
        self._state: dict[str, Any] = {} if state is None else state
        self._resumed = resumed
        self._begun = False

    async def __call__(self, proc: SandboxProcess) -> int:
        """Call it, and print what it returns."""
        self._begun = True
        call = Call(proc, self._state, resumed=self._resumed)
        if self._stdin:
            call.stdin = await call.read_all()
        result = self._handler(call)
        if inspect.isawaitable(result):
            result = await result
        if isinstance(result, (str, bytes)):
            call.out(result)
        await call.flush()
        code = result if isinstance(result, int) else 0
        check_code(code)
        return code

    def copy(self) -> "RunHandler":
        """The same handler, with a copy of its state."""
        try:
            state = copy.deepcopy(self._state)
        except Exception as error:  # whatever the test put there
            raise NotFreezable(f"Call.state cannot be copied: {error}") from error
        resumed = self._resumed or self._begun
        return RunHandler(self._handler, stdin=self._stdin, state=state, resumed=resumed)


def check_code(code: int) -> None:
    """Refuse a number that is no exit code.

    Raises:
        ValueError: it is below 0 or above 255.
    """
    if not 0 <= code <= 255:
        raise ValueError(f"an exit code is 0 to 255, not {code!r}")
