"""The standard input of a process: whatever clients repeat, each byte is written once, in order."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

from grpclib import GRPCError, Status

from pytest_sandbox._shared.async_tasks import finish, within
from pytest_sandbox.engine import Clock, Process

from ..rpc.errors import invalid, precondition

#: Bytes written at a time, which is the most that is still written after an interruption.
CHUNK = 256 * 1024
#: Seconds to wait for the end of a process that closed its standard input, because a client that
#: gets the error asks at once how the process ended.
EXIT_GRACE = 0.5


class StdinWriter:
    """Writes data by offset or by index, and drops what was written before.

    A write continues when its caller is cancelled, so that `accepted` is always right. A repeated
    write waits for it.

    Args:
        process: the process; `None` to drop everything.
        clock: the engine's.

    Attributes:
        accepted: bytes that were written.
        closed: whether the end of input was written.
        over: why nothing reads any more, for errors; empty while that is not known.
        last_message: when a client last sent something, be it empty; at first, when it started.
    """

    def __init__(self, process: Process | None, clock: Clock) -> None:
        self._process = process
        self._clock = clock
        self._lock = asyncio.Lock()
        self._index = 0
        self._interrupt: asyncio.Future[None] | None = None
        self.accepted = 0
        self.closed = False
        self.over = ""
        self.last_message = clock.monotonic()

    async def write_at(self, offset: int, data: bytes, eof: bool) -> None:
        """Write the bytes of a stream that begin at `offset`.

        Raises:
            GRPCError: FAILED_PRECONDITION: bytes before the offset are missing, the input is
                closed, or the process does not read it any more.
        """

        def fresh() -> bytes:
            if offset > self.accepted:
                raise precondition(
                    self.over
                    or f"standard input continues at byte {self.accepted}, not at {offset}"
                )
            return data[self.accepted - offset :]

        await finish(self._write(fresh, eof))

    async def write_index(self, index: int, data: bytes, eof: bool) -> None:
        """Write the message with the number `index`, counted from 1.

        Raises:
            GRPCError: INVALID_ARGUMENT, or FAILED_PRECONDITION as for `write_at`.
        """
        if index < 1:
            raise invalid(f"messages to standard input are numbered from 1, not {index}")

        def fresh() -> bytes:
            return data if index > self._index else b""

        def done() -> None:
            self._index = max(self._index, index)

        await finish(self._write(fresh, eof, done))

    async def interruptible(self, work: Awaitable[None]) -> None:
        """Await a stream of writes until `interrupt`, or another stream of writes, ends it.

        Raises:
            GRPCError: ABORTED: it was interrupted.
        """
        self.interrupt()
        task = asyncio.ensure_future(work)
        mine = self._interrupt = asyncio.get_running_loop().create_future()
        try:
            await asyncio.wait({task, mine}, return_when=asyncio.FIRST_COMPLETED)
            if not task.done():
                raise GRPCError(
                    Status.ABORTED,
                    f"interrupted after {self.accepted} bytes: another call took over",
                )
            task.result()
        finally:
            task.cancel()
            if self._interrupt is mine:
                self._interrupt = None

    def interrupt(self) -> None:
        """End a stream of writes that is under way."""
        if self._interrupt is not None and not self._interrupt.done():
            self._interrupt.set_result(None)

    async def _write(
        self, fresh: Callable[[], bytes], eof: bool, done: Callable[[], None] | None = None
    ) -> None:
        self.last_message = self._clock.monotonic()
        async with self._lock:
            data = fresh()
            if data and self.over:
                raise precondition(self.over)
            if data and self.closed:
                raise precondition("standard input is closed: its end was written before")
            for start in range(0, len(data), CHUNK):
                await self._put(data[start : start + CHUNK])
            if done is not None:
                done()
            if eof and not self.closed:
                self.closed = True
                if self._process is not None and self._process.poll() is None:
                    await self._process.close_stdin()

    async def _put(self, chunk: bytes) -> None:
        process = self._process
        if process is not None:
            try:
                await process.write_stdin(chunk)
            except BrokenPipeError:
                with suppress(asyncio.TimeoutError):
                    await within(self._clock, EXIT_GRACE, process.wait())
                raise precondition(_broken(process)) from None
        self.accepted += len(chunk)


def _broken(process: Process) -> str:
    status = process.poll()
    if status is None:
        return "the process closed its standard input"
    return f"the process has ended, with exit code {status.returncode}"
