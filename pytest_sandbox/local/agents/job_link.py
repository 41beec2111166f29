"""The engine's end of a job: work on files that a process in the sandbox does."""

from __future__ import annotations

import asyncio
import collections
import errno
import os
import socket
from typing import TYPE_CHECKING

from ..protocol import foreign, wire
from ..protocol.agent import PingRequest
from ..protocol.common import Failed, Succeeded
from ..protocol.jobs import JOB_TO_ENGINE, EndJobRequest, JobRuns, JobStarted, WatchJob
from ..protocol.message import BadMessage
from .job_patience import JobPatience
from .pending_answers import ignore, set_error
from .ready import read_now, readable, writable, write_now

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from ..protocol.jobs import ListDirectoryJob, PackJob, RemoveTreeJob, UnpackJob
    from ..protocol.message import Message
    from .agent_link import AgentLink

_CHUNK = 256 * 1024


class JobLink:
    """One job: used once, as a context manager, which ends it.

    Args:
        link: the agent that starts it.
        request: what is to be done.
    """

    def __init__(
        self,
        link: AgentLink,
        request: ListDirectoryJob | RemoveTreeJob | WatchJob | PackJob | UnpackJob,
    ) -> None:
        self._link = link
        self._request = request
        self._sock: socket.socket | None = None
        self._pipe: int | None = None
        self._pid = 0
        self._patience = JobPatience(self._shows_that_it_runs, self._give_up)
        self._sign = False
        self._wait: asyncio.Future[None] | None = None
        #: Messages that came before they were wanted.
        self._early: collections.deque[Message | None] = collections.deque()

    def __enter__(self) -> JobLink:
        return self

    def __exit__(self, *_: object) -> None:
        self._patience.stop()
        self._close_pipe()
        if self._sock is not None:
            foreign.close_unix_socket(self._sock)

    async def start(self) -> None:
        """Start a job that has no stream."""
        await self._start(())

    async def start_reading(self) -> None:
        """Start a job whose output is a stream, which `read` gives."""
        self._pipe, theirs = os.pipe2(os.O_CLOEXEC)
        await self._start((theirs,))

    async def start_writing(self) -> None:
        """Start a job whose input is a stream, which `write` sends."""
        # The engine's end must be closed for the job to see the end: so no child may inherit it.
        theirs, self._pipe = os.pipe2(os.O_CLOEXEC)
        await self._start((theirs,))

    async def messages(self) -> AsyncIterator[Message]:
        """The messages that the job sends, until it has succeeded.

        Raises:
            OSError: the error that the job reports; `EIO` if it was killed, broke the protocol, or
                got no time to run.
            TaskEnded: the sandbox ended with it.
        """
        while True:
            message = await self._receive()
            if isinstance(message, Succeeded):
                return
            if isinstance(message, Failed):
                raise message.error.error()
            yield message

    async def finish(self) -> None:
        """Wait until it is done."""
        async for _ in self.messages():
            pass

    async def read(self) -> bytes:
        """The next part of its stream; empty at the end.

        Raises:
            OSError: it got no time to run.
        """
        assert self._pipe is not None
        while (data := read_now(self._pipe, _CHUNK)) is None:
            await self._until(readable, self._pipe)
        self._sign = True
        return data

    async def write(self, data: bytes) -> bool:
        """Give it a part of a stream; whether it still wants more.

        Raises:
            OSError: it got no time to run.
        """
        assert self._pipe is not None
        view = memoryview(data)
        try:
            while view:
                written = write_now(self._pipe, view)
                view = view[written:]
                self._sign |= written > 0
                if not written:
                    await self._until(writable, self._pipe)
        except BrokenPipeError:
            return False
        return True

    def end_stream(self) -> None:
        """End the stream that the job reads: there is no more data."""
        self._close_pipe()

    async def _start(self, fds: tuple[int, ...]) -> None:
        try:
            if self._pipe is not None:
                os.set_blocking(self._pipe, False)
            self._sock, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        except OSError:
            wire.close_all(list(fds))
            raise
        fds = (theirs.detach(), *fds)
        try:
            self._sock.setblocking(False)
        except OSError:
            wire.close_all(list(fds))
            raise
        started = await self._link.request(self._request, JobStarted, fds)
        self._pid = started.pid
        if not isinstance(self._request, WatchJob):
            self._patience.begin()

    async def _receive(self) -> Message:
        assert self._sock is not None
        while True:
            try:
                message = self._early.popleft() if self._early else self._receive_now()
            except BlockingIOError:
                await self._until(readable, self._sock.fileno())
                continue
            if isinstance(message, JobRuns):
                continue
            if message is not None:
                return message
            await self._link.request(
                PingRequest(), Succeeded
            )  # raises if the whole sandbox is gone
            raise self._broken("the file job in the sandbox was killed, by a program in it")

    def _receive_now(self) -> Message | None:
        """A message that is there, or `None` if no more will come."""
        assert self._sock is not None
        try:
            message, _, _ = wire.receive(self._sock, JOB_TO_ENGINE, foreign.close)
        except BlockingIOError:
            raise
        except BadMessage as error:
            raise self._broken(f"the sandbox's answer makes no sense: {error}") from error
        except OSError:
            return None
        self._sign = True
        return message

    async def _until(self, ready: Callable[..., Awaitable[None]], fd: int) -> None:
        """Wait for a descriptor, as long as the job runs."""
        self._wait = asyncio.get_running_loop().create_future()
        try:
            await ready(fd, self._wait)
        finally:
            self._wait = None

    def _shows_that_it_runs(self) -> bool:
        """Whether it ran since this was asked last, or is not what is waited for."""
        if self._pipe is not None:
            self._receive_early()  # what is waited for is the pipe, and signs come by the socket
        if self._wait is None or not self._link.running.is_set():
            return True
        sign, self._sign = self._sign, False
        return sign

    def _receive_early(self) -> None:
        while None not in self._early:
            try:
                message = self._receive_now()
            except BlockingIOError:
                return
            except OSError as error:
                self._fail(error)
                return
            if not isinstance(message, JobRuns):
                self._early.append(message)

    def _give_up(self) -> None:
        ignore(self._link.ask(EndJobRequest(pid=self._pid), Succeeded))
        self._fail(self._broken("programs of the sandbox leave its file job no time to run"))

    def _fail(self, error: OSError) -> None:
        if self._wait is not None:
            set_error(self._wait, error)

    def _broken(self, text: str) -> OSError:
        return OSError(errno.EIO, text, self._request.path)

    def _close_pipe(self) -> None:
        if self._pipe is not None:
            os.close(self._pipe)
            self._pipe = None
