"""Input, output and exit code of a command, concurrently, so that none blocks another."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Generic, TypeVar

from pytest_sandbox._shared.async_tasks import background, cancel_and_wait
from pytest_sandbox._shared.lazy_dataclass import dataclass

from ..exceptions import CommandFailedError, CommandTimeoutError, StdinClosedError
from .decoding import decode
from .execution import TIMED_OUT, Execution
from .output import STDERR, STDOUT

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

__tracebackhide__ = True  # a failing test shows the caller's line, not these

T = TypeVar("T", str, bytes)

#: Bytes of input sent at a time.
CHUNK = 1024 * 1024


@dataclass(frozen=True)
class CompletedCommand(Generic[T]):
    """The result of `Sandbox.run`.

    Attributes:
        args: the command and its arguments.
        returncode: its exit code, 128 plus the number for a signal.
        stdout: all that it wrote to standard output.
        stderr: all that it wrote to standard error.
    """

    args: tuple[str, ...]
    returncode: int
    stdout: T
    stderr: T

    def check(self) -> None:
        """Raise `CommandFailedError` unless the code is 0."""
        if self.returncode != 0:
            raise CommandFailedError(self.args, self.returncode, self.stdout, self.stderr)


async def communicate(execution: Execution, given: bytes) -> tuple[int, bytes, bytes]:
    """Give a command its input, and take its output until it ends.

    Returns:
        Its exit code, standard output and standard error.
    """
    if (got := await execution.everything()) is not None:
        return got
    wait = background(execution.wait())
    stdout = background(whole(execution, STDOUT))
    stderr = background(whole(execution, STDERR))
    feeding = background(feed(execution, slices(memoryview(given))))
    try:
        return await asyncio.gather(wait, stdout, stderr)
    finally:
        # The command has ended: it reads no more input.
        await cancel_and_wait(wait, stdout, stderr, feeding)


async def feed(execution: Execution, content: AsyncIterator[bytes]) -> None:
    """Send everything, unless the command stops reading before."""
    with contextlib.suppress(StdinClosedError):
        await send(execution, content)


async def send(execution: Execution, content: AsyncIterator[bytes]) -> None:
    """Send everything, the end together with the last of it."""
    last = b""
    async for chunk in content:
        if last:
            await execution.write(last, False)
        last = chunk
    await execution.write(last, True)


async def slices(data: memoryview) -> AsyncIterator[bytes]:
    """Bytes in pieces of a size to send."""
    for start in range(0, len(data), CHUNK):
        yield bytes(data[start : start + CHUNK])


async def whole(execution: Execution, descriptor: int) -> bytes:
    """All that a command writes to a stream."""
    return b"".join([chunk async for chunk in execution.output(descriptor).chunks()])


def completed(
    args: tuple[str, ...],
    outcome: tuple[int, bytes, bytes],
    *,
    text: bool,
    timeout: int | None,
) -> CompletedCommand[str] | CompletedCommand[bytes]:
    """The result of a command.

    Raises:
        CommandTimeoutError: its time was up.
        UnicodeDecodeError: it is to be text, and is not UTF-8.
    """
    code, stdout, stderr = outcome
    if code == TIMED_OUT and timeout is not None:
        if text:
            out, err = stdout.decode(errors="replace"), stderr.decode(errors="replace")
            raise CommandTimeoutError(args, timeout, out, err)
        raise CommandTimeoutError(args, timeout, stdout, stderr)
    if text:
        instead = "run(..., text=False)"
        return CompletedCommand(args, code, decode(stdout, instead), decode(stderr, instead))
    return CompletedCommand(args, code, stdout, stderr)
