"""Connections to ports in memory: two ends, joined by pipes."""

import asyncio
import errno
import os

from pytest_sandbox.engine import Connection

from .pipe import Pipe

#: Reads and writes after which an end lets other coroutines run, even if it never has to wait.
_TURN = 32


class End:
    """One of two ends: bytes come in by one pipe and go out by the other.

    Attributes:
        other: the end that this one is connected to.
        closed: whether `close` was called.
        ended: whether the other end sees the end of the data.
    """

    def __init__(self, incoming: Pipe, outgoing: Pipe) -> None:
        self._reader = incoming.reader()
        self._writer = outgoing.writer()
        self._incoming = incoming
        self._outgoing = outgoing
        self.ended = self._reset = self._resets_at_end = False
        self.closed = False
        self._calls = 0
        self.other: End | None = None

    async def read(self, size: int) -> bytes:
        """Up to `size` bytes, as soon as there are any; empty at the end."""
        await self._turn()
        data = b"" if self._reset or self.closed else await self._reader.read(size)
        if self._reset or (not data and self._resets_at_end and not self.closed):
            raise _reset()
        return data

    async def write(self, data: bytes) -> None:
        """Return when all of `data` is on its way."""
        await self._turn()
        if self._resets_at_end:
            raise _reset()
        if self.ended or self._reset:
            raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))
        await self._writer.write(data)

    @property
    def ready(self) -> bool:
        """Whether there is something to read, be it the end."""
        return bool(self._incoming.pending) or not self._incoming.writers

    @property
    def gone(self) -> bool:
        """Whether the other end was closed, or has reset the connection."""
        return self._reset or (self.other is not None and self.other.closed)

    async def _turn(self) -> None:
        self._calls += 1
        if self._calls % _TURN == 0:
            await asyncio.sleep(0)

    def end(self) -> None:
        """Let the other end see the end of the data; a second call does nothing."""
        if not self.ended:
            self.ended = True
            self._writer.release()

    def close(self) -> None:
        """Release the connection; a second call does nothing."""
        self.end()
        if not self.closed:
            self.closed = True
            self._reader.release()

    def reset(self) -> None:
        """Close as a TCP reset does: data on its way is lost, and the other end gets an error."""
        if self.other is not None and not self.closed:
            self.other.lose()
        self._outgoing.break_()
        self.close()

    def reset_when_read(self) -> None:
        """Close so that the other end reads what is on its way, and then gets an error."""
        if self.other is not None and not self.closed:
            self.other.expect_reset()
        self.close()

    def expect_reset(self) -> None:
        """Fail reads once there is nothing left to read: the other end was reset."""
        self._resets_at_end = True

    def lose(self) -> None:
        """Fail all further reads and writes: the other end was reset."""
        self._reset = True


def _reset() -> ConnectionResetError:
    return ConnectionResetError(errno.ECONNRESET, os.strerror(errno.ECONNRESET))


def connected_ends() -> tuple[End, End]:
    """Both ends of a new connection."""
    one, two = Pipe(), Pipe()
    here, there = End(one, two), End(two, one)
    here.other, there.other = there, here
    return here, there


class MemoryConnection(Connection):
    """A connection as the engine contract has it."""

    def __init__(self, end: End) -> None:
        self._end = end

    async def read(self, size: int) -> bytes:
        """Up to `size` bytes, as soon as there are any; empty once the peer has ended."""
        return await self._end.read(size)

    async def write(self, data: bytes) -> None:
        """Return when all of `data` is on its way."""
        await self._end.write(data)

    async def end(self) -> None:
        """Let the peer see the end of what we write; a second call does nothing."""
        self._end.end()

    async def close(self) -> None:
        """Release the connection; a second call does nothing."""
        self._end.close()
