"""The engine's conversation with one agent: requests, answers, exits."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import weakref
from signal import SIGKILL
from typing import TYPE_CHECKING, Protocol, TypeVar

from pytest_sandbox.engine import EngineUnavailable, ExitStatus, OutputLog

from ..protocol import agent as messages
from ..protocol import foreign
from ..protocol.common import DescriptorAnswer, Failed, Succeeded
from ..protocol.message import BadMessage, Message
from ..protocol.wire import close_all
from .channel import Channel
from .errors import BuildFailed, task_ended
from .patience import Patience
from .pending_answers import PendingAnswers, ignore, set_error, wait_for
from .pump import Pump

if TYPE_CHECKING:
    import socket
    from collections.abc import AsyncIterator, Callable

    from .pending_answers import Answer

A = TypeVar("A", bound=Message)
#: Seconds in which the agent is to answer: far more than it takes, also on a busy machine. What we
#: do at a time limit is late by so much where programs leave the agent no time, and by a tenth of
#: that where they stop what it starts.
ANSWER_TIMEOUT = 10.0
#: Seconds more to stop all processes, which is tried for 20: `SandboxPause`.
PAUSE_TIMEOUT = 20.0


class ExitListener(Protocol):
    """Hears of the end of a process."""

    def exited(self, status: ExitStatus) -> None:
        """It ended."""

    def task_ended(self) -> None:
        """All of the sandbox is gone."""


class AgentLink:
    """Asks the agent, and tells of what it says.

    A hostile program may be at the other end: every message is checked, and one that does not fit
    ends the conversation.

    Args:
        sock: the engine's end; owned.
        pumps: the engine's running pumps.
        lost: called once, when the conversation has ended.
        free: called when the agent does not answer at once, to resume what it has started and waits
            for, and then to kill that; with whether to kill.
        note: called with each request, and with each message of the agent.

    Attributes:
        ready: done when the sandbox is built.
        listeners: descriptors of its way out, from then on, until they are taken.
        no_network: why it could not be made, if one was wanted.
        running: unset while all processes of the sandbox are stopped.
        broken: how the agent broke the protocol, or that it did not answer.

    Raises:
        OSError: the event loop cannot watch one more descriptor; the socket is closed.
    """

    def __init__(
        self,
        sock: socket.socket,
        pumps: set[Pump],
        lost: Callable[[], None],
        free: Callable[[bool], None],
        note: Callable[[], None],
    ) -> None:
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.running = asyncio.Event()
        self.running.set()
        self.broken = ""
        self.listeners: list[int] = []
        self.no_network = ""
        self._lost = lost
        self._note = note
        self._answers = PendingAnswers()
        self._patience = Patience(self._give_up, free)
        self._held: list[int] = []
        self._names = itertools.count(1)
        self._processes: dict[int, ExitListener] = {}
        self._pumps = pumps
        self._own_pumps: weakref.WeakSet[Pump] = weakref.WeakSet()
        self._channel = Channel(sock, messages.AGENT_TO_ENGINE, self._on_message, self._on_close)

    def ask(
        self, request: Message, answer: type[A], fds: tuple[int, ...] = ()
    ) -> asyncio.Future[Answer[A]]:
        """Send a request now.

        Args:
            request: the request.
            answer: what it is answered with.
            fds: descriptors beside it, which are closed once they are sent.

        Returns:
            The answer to come, to be given to `wait_for`.
        """
        return self._ask(request, answer, fds, self._channel.send)

    async def request(self, request: Message, answer: type[A], fds: tuple[int, ...] = ()) -> A:
        """Ask, and wait for the answer; see `ask`.

        Raises:
            OSError: what the kernel said inside.
            TaskEnded: the task has ended.
        """
        value, unwanted = await wait_for(self.ask(request, answer, fds))
        foreign.close(unwanted)
        return value

    async def request_descriptor(self, request: Message) -> int:
        """Like `request`, for what is answered with a descriptor."""
        _, (fd,) = await wait_for(self.ask(request, DescriptorAnswer))
        return fd

    def register(self, process: ExitListener) -> int:
        """A number for a process that is about to start, which hears of its end."""
        number = next(self._names)
        self._processes[number] = process
        return number

    def unregister(self, number: int) -> None:
        """The process did not start."""
        self._processes.pop(number, None)

    def abandon(self, number: int) -> None:
        """Kill a process that is not wanted any more, even if it is only about to be started."""
        self.unregister(number)
        ignore(self.ask(messages.SignalRequest(process=number, number=SIGKILL), Succeeded))

    @contextlib.asynccontextmanager
    async def paused(self, *, strictly: bool = False) -> AsyncIterator[messages.PauseAnswer]:
        """While inside, no process of the sandbox runs, and the agent does nothing else.

        Args:
            strictly: whether none may wait in the kernel either.

        Raises:
            EngineUnavailable: a process does not stop.
            TaskEnded: the task has ended.
        """
        # Requests that come meanwhile would have the agent change files that are being copied.
        self._channel.hold()
        self.running.clear()
        request = messages.PauseRequest(strictly=strictly)
        try:
            try:
                answer, _ = await wait_for(
                    self._ask(request, messages.PauseAnswer, (), self._channel.send_through)
                )
            except ProcessLookupError:
                raise self._ended() from None
            except OSError as error:
                raise EngineUnavailable(f"a sandbox cannot be paused: {error.strerror}") from error
            yield answer
        finally:
            # Also when the pause failed or the caller is cancelled: resume what was stopped.
            ignore(self._ask(messages.ResumeRequest(), Succeeded, (), self._channel.send_through))
            self._channel.release()
            self.running.set()
            held, self._held = self._held, []
            for number in held:
                self._expect(number, ANSWER_TIMEOUT)

    def pump(self, fd: int, log: OutputLog, *, terminal: bool = False) -> Pump:
        """Move output from `fd` to `log` from now on; see `Pump`."""
        pump = Pump(fd, log, self._pumps, terminal=terminal)
        self._own_pumps.add(pump)
        return pump

    def pipes(self) -> set[int]:
        """Inodes of the pipes that output of this sandbox still may come from."""
        return {pump.inode for pump in self._own_pumps if pump.inode is not None}

    def drain(self) -> None:
        """The agent is dead: take what it said last."""
        self._channel.drain()

    def close(self, broken: str = "") -> None:
        """Stop talking; the agent exits, and with it the sandbox.

        Args:
            broken: why it must not go on, if not for its own good.
        """
        self.broken = self.broken or broken
        self._channel.close()

    def task_ended(self) -> None:
        """The sandbox is gone."""
        self.close()
        for process in self._processes.values():
            process.task_ended()
        self._processes.clear()

    def fail(self, error: Exception) -> None:
        """Whatever was asked for, and readiness, will not come."""
        set_error(self.ready, error)
        self._answers.fail(error)

    def _ask(
        self,
        request: Message,
        answer: type[A],
        fds: tuple[int, ...],
        send: Callable[..., None],
    ) -> asyncio.Future[Answer[A]]:
        self._note()
        number, future = self._answers.add(answer)
        if self._channel.closed:
            close_all(list(fds))
            self._answers.fail(self._ended())
        else:
            send(request, fds, number=number)
            if isinstance(request, messages.PauseRequest):
                self._expect(number, ANSWER_TIMEOUT + PAUSE_TIMEOUT)
            elif self.running.is_set() or isinstance(request, messages.ResumeRequest):
                self._expect(number, ANSWER_TIMEOUT)
            else:
                self._held.append(number)
        return future

    def _expect(self, number: int, seconds: float) -> None:
        if not self._channel.closed:
            self._patience.begin(number, seconds)

    def _give_up(self, seconds: float) -> None:
        self.broken = (
            f"its agent did not answer for {seconds:g} seconds: a program in the sandbox stops "
            "what it starts, or leaves it no time"
        )
        self._channel.close()

    def _ended(self) -> Exception:
        return task_ended(self.broken)

    def _on_close(self, broken: str) -> None:
        self._patience.stop()
        if broken:
            self.broken = f"its agent broke the protocol: {broken}"
        self.fail(self._ended())
        foreign.close(self.listeners)
        self.listeners = []
        self._lost()

    def _on_message(self, message: Message, number: int, fds: list[int]) -> None:
        self._note()
        if number:
            self._patience.end(number)
            self._answers.settle(number, message, fds)
        elif isinstance(message, messages.ProcessExited):
            self._on_exit(message)
        elif isinstance(message, messages.AgentReady):
            if self.ready.done():
                foreign.close(fds)
            else:
                self.listeners, self.no_network = fds, message.no_network
                self.ready.set_result(None)
        elif isinstance(message, messages.SandboxFailed):
            error = message.error.error()
            self.broken = f"its agent could not begin to serve: {error}"
            if not self.ready.done():
                self.fail(BuildFailed(error))
        elif isinstance(message, Failed) and not self.ready.done():
            # The agent is ready, but we had no room for the descriptors beside that message.
            self.fail(BuildFailed(message.error.error()))
        else:
            foreign.close(fds)
            raise BadMessage(f"{type(message).__name__} answers no request")

    def _on_exit(self, message: messages.ProcessExited) -> None:
        process = self._processes.pop(message.process, None)
        if process is not None:
            status = message.status
            process.exited(ExitStatus(code=status) if status >= 0 else ExitStatus(signal=-status))
