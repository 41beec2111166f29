"""The engine's end of a job: work on files that a process in the sandbox does."""

from __future__ import annotations

import errno
import os
import socket
from typing import TYPE_CHECKING, Any

from ... import wire
from ..ready import read_now, readable, writable, write_now
from .agent_link import error_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from ...wire import Message
    from .agent_link import AgentLink

_CHUNK = 256 * 1024


class JobLink:
    """One job: used once, as a context manager, which ends it.

    Args:
        link: the agent that starts it.
        kind: what is to be done.
        path: with what.
    """

    def __init__(self, link: AgentLink, kind: str, path: str, **fields: Any) -> None:
        self._link = link
        self._path = path
        self._fields = {"job": kind, "path": path, **fields}
        self._sock: socket.socket | None = None
        self._pipe: int | None = None

    def __enter__(self) -> JobLink:
        return self

    def __exit__(self, *_: object) -> None:
        self._close_pipe()
        if self._sock is not None:
            self._sock.close()

    async def start(self) -> None:
        """Start a job that has no stream."""
        await self._start(())

    async def start_reading(self) -> None:
        """Start a job that writes a stream."""
        self._pipe, theirs = os.pipe2(os.O_CLOEXEC)
        await self._start((theirs,))

    async def start_writing(self) -> None:
        """Start a job that reads a stream."""
        theirs, self._pipe = os.pipe2(os.O_CLOEXEC)
        await self._start((theirs,))

    async def messages(self) -> AsyncIterator[Message]:
        """What it has to say, until it is done.

        Raises:
            OSError: what the kernel told it.
            TaskEnded: the sandbox ended with it.
        """
        while True:
            message = await self._receive()
            if "done" in message:
                return
            if "error" in message:
                raise error_of(message["error"])
            yield message

    async def finish(self) -> None:
        """Wait until it is done."""
        async for _ in self.messages():
            pass

    async def read(self) -> bytes:
        """The next part of its stream; empty at the end."""
        assert self._pipe is not None
        while (data := read_now(self._pipe, _CHUNK)) is None:
            await readable(self._pipe)
        return data

    async def write(self, data: bytes) -> bool:
        """Give it a part of a stream; whether it still wants more."""
        assert self._pipe is not None
        view = memoryview(data)
        try:
            while view:
                written = write_now(self._pipe, view)
                view = view[written:]
                if not written:
                    await writable(self._pipe)
        except BrokenPipeError:
            return False
        return True

    def end_stream(self) -> None:
        """That was all."""
        self._close_pipe()

    async def _start(self, fds: tuple[int, ...]) -> None:
        self._sock, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._sock.setblocking(False)
        if self._pipe is not None:
            os.set_blocking(self._pipe, False)
        await self._link.request("job", (theirs.detach(), *fds), **self._fields)

    async def _receive(self) -> Message:
        assert self._sock is not None
        while True:
            try:
                message, fds = wire.receive(self._sock)
            except BlockingIOError:
                await readable(self._sock.fileno())
                continue
            except (OSError, wire.BadMessage):
                message, fds = None, []
            wire.close_all(fds)
            if message is not None:
                return message
            await self._link.request("ping")  # raises if the whole sandbox is gone
            raise OSError(errno.EIO, "what worked on it was killed inside the sandbox", self._path)

    def _close_pipe(self) -> None:
        if self._pipe is not None:
            os.close(self._pipe)
            self._pipe = None
