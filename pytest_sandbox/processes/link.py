"""The engine's conversation with its keeper, which it starts."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import subprocess
import tempfile
from typing import TYPE_CHECKING, Protocol

from pytest_sandbox.engine import EngineUnavailable
from pytest_sandbox.local.agents.channel import Channel
from pytest_sandbox.local.agents.pending_answers import set_error
from pytest_sandbox.local.engine.links.bare_python import launch

from .keeper import messages

if TYPE_CHECKING:
    from pytest_sandbox.local.protocol.message import Message

#: Seconds that the keeper may take to end all processes and to remove all files.
_EXIT_TIMEOUT = 30.0
#: Root needs more than others: a user id for each task.
_REMEDY = "Run pytest as an ordinary user."


class KeptTask(Protocol):
    """What hears of a task."""

    def started(self, pid: int) -> None:
        """Its agent has this pid."""

    def ended(
        self,
        *,
        failed: OSError | None = None,
        killed: bool = False,
        left: str = "",
        lost: str = "",
    ) -> None:
        """No process of it is left.

        Args:
            failed: why it could not even be started.
            killed: the engine was closed.
            left: why its folder could not be removed; empty if it was.
            lost: why it ended, if neither it nor we wanted that.
        """


class KeeperLink:
    """One keeper, and the tasks that it has started."""

    def __init__(self) -> None:
        self._tasks: dict[int, KeptTask] = {}
        self._channel: Channel | None = None
        self._closing = False

    @property
    def pid(self) -> int:
        """Of the keeper, once it is started."""
        return self._process.pid

    async def start(self, setup: messages.KeeperSetup) -> messages.KeeperReady:
        """Start the keeper.

        Raises:
            EngineUnavailable: it cannot keep tasks here.
            OSError: it cannot be started.
        """
        self._ready: asyncio.Future[messages.KeeperReady] = (
            asyncio.get_running_loop().create_future()
        )
        with contextlib.ExitStack() as on_error:
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            on_error.callback(ours.close)
            # A file, since nothing reads it until the keeper is gone.
            self._errors = on_error.enter_context(tempfile.TemporaryFile())
            with theirs:
                self._process = launch("processes.keeper.main", theirs, self._errors.fileno())
            self._channel = Channel(
                ours, messages.KEEPER_TO_ENGINE, self._on_message, lambda _: self._on_close()
            )
            on_error.pop_all()
        self._channel.send(setup)
        return await self._ready

    def create(
        self, task: KeptTask, request: messages.StartAgentRequest, sock: socket.socket
    ) -> None:
        """Have a task made whose agent talks over `sock`.

        Raises:
            EngineUnavailable: the keeper is gone.
        """
        if self._channel is None or self._channel.closed:
            raise EngineUnavailable("the engine is closed, or its keeper was killed")
        self._tasks[request.name] = task
        self._channel.send(request, (sock.detach(),), number=request.name)

    def end(self, name: int) -> None:
        """Have a task ended, if it lives."""
        if self._channel is not None and not self._channel.closed:
            self._channel.send(messages.EndAgentRequest(name=name))

    async def close(self) -> None:
        """End every task and the keeper, and return when nothing is left of them."""
        if self._channel is None:
            return
        self._closing = True
        self._channel.close()
        await asyncio.to_thread(self._wait)
        self._errors.close()
        tasks, self._tasks = self._tasks, {}
        for task in tasks.values():
            task.ended(killed=True)

    def _wait(self) -> None:
        # By then the keeper has ended all, or is stuck with what the kernel does not end.
        try:
            self._process.wait(_EXIT_TIMEOUT)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _on_message(self, message: Message, number: int, fds: list[int]) -> None:
        if isinstance(message, messages.KeeperReady):
            self._ready.set_result(message)
        elif isinstance(message, messages.KeeperFailed):
            set_error(self._ready, EngineUnavailable(message.reason, _REMEDY))
        elif isinstance(message, messages.AgentStarted):
            if message.name in self._tasks:
                self._tasks[message.name].started(message.pid)
        elif isinstance(message, messages.AgentGone):
            task = self._tasks.pop(message.name, None)
            if task is not None:
                failed = message.failed
                error = None if failed is None else failed.error()
                task.ended(failed=error, left=message.left)

    def _on_close(self) -> None:
        if self._closing:
            return  # tasks end when it has ended them
        death = f"the keeper of sandboxes died: {self._words()}"
        set_error(self._ready, EngineUnavailable(death))
        # Their agents end all their processes when the engine hangs up.
        tasks, self._tasks = self._tasks, {}
        for task in tasks.values():
            task.ended(lost=death)

    def _words(self) -> str:
        self._errors.seek(0)
        return self._errors.read().decode(errors="replace").strip() or "it was killed"
