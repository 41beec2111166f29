"""The engine's conversation with one agent: requests, answers, exits."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import weakref
from dataclasses import dataclass
from signal import SIGKILL
from typing import TYPE_CHECKING, Any, Protocol

from pytest_sandbox.engine import EngineUnavailable, ExitStatus, OutputLog, TaskEnded

from ...wire import BadMessage, Message, close_all
from ..pump import Pump
from .channel import Channel

if TYPE_CHECKING:
    import socket
    from collections.abc import AsyncIterator, Callable

Answer = tuple[Message, list[int]]


class BuildFailed(Exception):
    """The sandbox could not be built.

    Args:
        reason: what the kernel said.
    """

    def __init__(self, reason: OSError) -> None:
        super().__init__(str(reason))
        self.reason = reason


@dataclass(frozen=True)
class Halt:
    """A sandbox in which nothing runs.

    Attributes:
        idle: whether there is no process at all.
        still: pids of those that were stopped before.
    """

    idle: bool
    still: set[int]


class Listener(Protocol):
    """What wants to know of a process's exit."""

    def exited(self, status: ExitStatus) -> None:
        """It ended."""

    def task_ended(self) -> None:
        """All of the sandbox is gone."""


class AgentLink:
    """Numbers requests, and gives each its answer.

    Whoever is at the other end may be hostile: every message is checked, and one that does not
    fit ends the conversation.

    Args:
        sock: the engine's end; owned.
        pumps: the engine's running pumps.
        lost: called once, when the conversation is over.
    """

    def __init__(self, sock: socket.socket, pumps: set[Pump], lost: Callable[[], None]) -> None:
        loop = asyncio.get_running_loop()
        self.ready: asyncio.Future[None] = loop.create_future()
        #: Unset while everything is halted.
        self.running = asyncio.Event()
        self.running.set()
        self._loop = loop
        self._lost = lost
        self._numbers = itertools.count(1)
        self._answers: dict[int, asyncio.Future[Answer]] = {}
        self._processes: dict[int, Listener] = {}
        self._pumps = pumps
        self._own_pumps: weakref.WeakSet[Pump] = weakref.WeakSet()
        self._channel = Channel(sock, self._on_message, self._on_close)

    async def request(self, op: str, fds: tuple[int, ...] = (), **fields: Any) -> Message:
        """Ask the agent for something; `fds` are closed once they are sent.

        Raises:
            OSError: what the kernel said inside.
            TaskEnded: the task is over.
        """
        answer, unwanted = await self.request_descriptors(op, fds, **fields)
        close_all(unwanted)
        return answer

    async def request_descriptors(
        self, op: str, fds: tuple[int, ...] = (), **fields: Any
    ) -> Answer:
        """Like `request`, for what is answered with descriptors."""
        answer = self._send(next(self._numbers), op, fds, fields)
        try:
            return await answer
        except asyncio.CancelledError:
            answer.add_done_callback(_discard)  # it may be there already
            raise

    def abandon(self, process: int) -> None:
        """Kill a process that nobody wants any more, even if it is only about to be started."""
        self._processes.pop(process, None)
        self._send(next(self._numbers), "signal", (), {"process": process, "number": SIGKILL})

    def exec(
        self, process: Listener, fields: dict[str, Any], fds: tuple[int, ...]
    ) -> tuple[int, asyncio.Future[Answer]]:
        """Start a process; its name, and the answer to come."""
        number = next(self._numbers)
        self._processes[number] = process
        return number, self._send(number, "exec", fds, fields)

    @contextlib.asynccontextmanager
    async def halted(self, *, strictly: bool = False) -> AsyncIterator[Halt]:
        """While inside, no process of the sandbox runs, and the agent does nothing else.

        Args:
            strictly: whether none may wait in the kernel either.

        Raises:
            EngineUnavailable: a process does not stop.
            TaskEnded: the task is over.
        """
        number = next(self._numbers)
        self._channel.hold()
        self.running.clear()
        try:
            answer = self._send(number, "halt", (), {"strictly": strictly}, through=True)
            try:
                value, fds = await answer
            except ProcessLookupError:
                raise _ended() from None
            except OSError as error:
                raise EngineUnavailable(f"a sandbox cannot be halted: {error.strerror}") from error
            close_all(fds)
            yield Halt(value.get("idle") is True, set(map(int, value.get("still", ()))))
        finally:
            self._channel.send_through({"id": next(self._numbers), "op": "resume"})
            self._channel.release()
            self.running.set()

    def adopt(self, process: Listener, pid: int) -> tuple[int, asyncio.Future[Answer]]:
        """Have a process, which is going to be restored with this pid, be the main one."""
        number = next(self._numbers)
        self._processes[number] = process
        return number, self._send(number, "adopt", (), {"pid": pid})

    def pump(self, fd: int, log: OutputLog, *, terminal: bool = False) -> Pump:
        """Move output from `fd` to `log` from now on."""
        pump = Pump(fd, log, self._pumps, terminal=terminal)
        self._own_pumps.add(pump)
        return pump

    def pipes(self) -> set[int]:
        """Inodes of the pipes that output of this sandbox still may come from."""
        return {pump.inode for pump in self._own_pumps if pump.inode is not None}

    def drain(self) -> None:
        """The agent is dead: take what it said last."""
        self._channel.drain()

    def close(self) -> None:
        """Stop talking; the agent exits, and with it the sandbox."""
        self._channel.close()

    def task_ended(self) -> None:
        """The sandbox is gone."""
        self.close()
        for process in self._processes.values():
            process.task_ended()
        self._processes.clear()

    def _send(
        self,
        number: int,
        op: str,
        fds: tuple[int, ...],
        fields: dict[str, Any],
        *,
        through: bool = False,
    ) -> asyncio.Future[Answer]:
        answer: asyncio.Future[Answer] = self._loop.create_future()
        if self._channel.closed:
            close_all(list(fds))
            answer.set_exception(_ended())
            answer.exception()  # nobody has to ask
        else:
            self._answers[number] = answer
            send = self._channel.send_through if through else self._channel.send
            send({**fields, "id": number, "op": op}, fds)
        return answer

    def _on_close(self) -> None:
        self.fail(_ended())
        self._lost()

    def _on_message(self, message: Message, fds: list[int]) -> None:
        try:
            if "id" in message and "error" not in message:
                self._on_success(message["id"], message["ok"], fds)
                return
            if "exit" in message:
                self._on_exit(int(message["exit"]), int(message["status"]))
            elif "id" in message:
                self._on_error(message["id"], error_of(message["error"]))
            elif "failed" in message:
                self.fail(BuildFailed(error_of(message["failed"])))
            elif message.get("ready") is True and not self.ready.done():
                self.ready.set_result(None)
            else:
                raise BadMessage("unknown")
        except (ArithmeticError, LookupError, TypeError, ValueError) as error:
            close_all(fds)
            raise BadMessage(str(error)) from error
        close_all(fds)

    def _on_exit(self, name: int, status: int) -> None:
        process = self._processes.pop(name, None)
        if process is not None:
            process.exited(ExitStatus(code=status) if status >= 0 else ExitStatus(signal=-status))

    def _on_error(self, number: int, error: OSError) -> None:
        self._processes.pop(number, None)
        answer = self._answers.pop(number, None)
        if answer is not None and not answer.done():
            answer.set_exception(error)

    def _on_success(self, number: int, value: Any, fds: list[int]) -> None:
        answer = self._answers.pop(number, None)
        if answer is not None and not answer.done() and isinstance(value, dict):
            answer.set_result((value, fds))
            return
        close_all(fds)
        if answer is not None and not answer.done():
            answer.set_exception(_ended())

    def fail(self, error: Exception) -> None:
        """Whatever was asked for, and readiness, will not come."""
        waiting: list[asyncio.Future[Any]] = [self.ready, *self._answers.values()]
        self._answers.clear()
        for future in waiting:
            if not future.done():
                future.set_exception(error)
                future.exception()  # nobody has to ask


def _discard(answer: asyncio.Future[Answer]) -> None:
    if not answer.cancelled() and answer.exception() is None:
        close_all(answer.result()[1])


def error_of(description: Any) -> OSError:
    """The error that `_agent.describe` put into a message."""
    if not isinstance(description, dict):
        raise TypeError("not an error")
    number = int(description["errno"])
    return OSError(
        number, str(description["text"]) or os.strerror(number), str(description["path"])
    )


def _ended() -> TaskEnded:
    return TaskEnded("the task is over")
