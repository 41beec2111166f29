"""A connection to a port of a sandbox on another machine."""

from __future__ import annotations

import asyncio
import errno
from typing import TYPE_CHECKING

from pytest_sandbox._proto import engine_pb2 as pb
from pytest_sandbox._shared.async_tasks import background, retrieve
from pytest_sandbox._shared.kept_errors import to_raise
from pytest_sandbox.engine import Connection, EngineUnavailable, TaskLost

from ..wire.malformed import Malformed
from ..wire.windows import PORT_WINDOW
from .outbox import Outbox

if TYPE_CHECKING:
    from .calls import NearCalls
    from .life import TaskLife

#: Bytes of one part of what is written.
_PART = 128 * 1024


async def connect(calls: NearCalls, life: TaskLife, port: int) -> Connection:
    """Connect to a port.

    Raises:
        ConnectionRefusedError: nothing listens there.
        TaskEnded: the task has ended, or is lost.
    """
    connection = RemotePort(calls, life, port)
    try:
        await asyncio.shield(connection.connected)
    except BaseException:
        await connection.close()
        raise
    return connection


class RemotePort(Connection):
    """A connection, whose data the far side relays.

    Either side sends no more than a window ahead of what the other has taken: so a connection that
    nobody reads takes bounded memory, and none of the room that others need.

    Args:
        calls: of the engine.
        life: of the task.
        port: to connect to.
    """

    def __init__(self, calls: NearCalls, life: TaskLife, port: int) -> None:
        self._calls = calls
        self._life = life
        request = pb.ToPort(connect=pb.ConnectRequest(task=life.number, port=port))
        self._outbox: Outbox[pb.ToPort] = Outbox()
        self.connected: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.connected.add_done_callback(retrieve)
        self._data = bytearray()
        self._read = self._told = 0
        self._sent = self._written = 0
        self._peer_ended = self._ended = self._closed = False
        self._failure: Exception | None = None
        self._writing = asyncio.Lock()
        self._changed = asyncio.Event()
        self._running = background(self._run(request))

    async def read(self, size: int) -> bytes:
        """Up to `size` bytes, as soon as there are any; empty when the peer has ended."""
        while not self._data:
            self._check_session()
            if self._peer_ended or self._life.end is not None:
                return b""
            if self._failure is not None:
                raise to_raise(self._failure)
            await self._changed.wait()
        data = bytes(self._data[:size])
        del self._data[:size]
        self._read += len(data)
        if self._read - self._told >= PORT_WINDOW // 2:
            self._told = self._read
            self._outbox.put(pb.ToPort(read=self._read))
        return data

    async def write(self, data: bytes) -> None:
        """Return when all of `data` is on its way."""
        view = memoryview(data)
        async with self._writing:
            self._check()
            for start in range(0, len(view), _PART):
                part = bytes(view[start : start + _PART])
                while self._sent + len(part) - self._written > PORT_WINDOW:
                    await self._changed.wait()
                    self._check()
                self._sent += len(part)
                self._outbox.put(pb.ToPort(data=part))

    async def end(self) -> None:
        """Let the peer see the end of what we write, after what was written before."""
        async with self._writing:
            if not self._ended:
                self._ended = True
                if not self._running.done():
                    self._outbox.put(pb.ToPort(end=True))

    async def close(self) -> None:
        """Release the connection."""
        self._closed = True
        self._outbox.close()
        self._running.cancel()
        await asyncio.wait([self._running])
        self._wake()

    def _check_session(self) -> None:
        """Refuse a call once the session is over, which is no end of the connection."""
        for error in (self._life.lost, self._failure):
            if isinstance(error, EngineUnavailable | TaskLost):
                raise to_raise(error)

    def _check(self) -> None:
        self._check_session()
        if self._ended or self._closed:
            raise BrokenPipeError(errno.EPIPE, "the connection was ended")
        if self._life.end is not None:
            raise ConnectionResetError(errno.ECONNRESET, "the task has ended")
        if self._failure is not None:
            raise to_raise(self._failure)

    async def _run(self, request: pb.ToPort) -> None:
        try:
            async with self._calls.open(self._calls.stub.Connect) as call:
                await call.send(request)
                await call.answer()
                self._outbox.call = call
                self.connected.set_result(None)
                while (message := await call.receive()) is not None:
                    self._came(message)
            self._fail(ConnectionResetError(errno.ECONNRESET, "the connection was broken off"))
        except asyncio.CancelledError:
            self._fail(ConnectionAbortedError(errno.ECONNABORTED, "the connection was closed"))
            raise
        except Exception as error:
            self._fail(error)

    def _came(self, message: pb.FromPort) -> None:
        self._data += message.data
        if len(self._data) > 2 * PORT_WINDOW:
            raise self._calls.lost(Malformed("more came than the far side may send"))
        self._written = max(self._written, message.written)
        self._peer_ended = self._peer_ended or message.end
        self._wake()

    def _fail(self, error: Exception) -> None:
        self._failure = error
        if not self.connected.done():
            self.connected.set_exception(error)
        self._outbox.close()
        self._wake()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()
