"""The engine's conversation with its zygote: start it, have sandboxes made and ended."""

from __future__ import annotations

import asyncio
import itertools
import os
import select
import socket
import subprocess
import tempfile
import time
from dataclasses import asdict
from typing import IO, TYPE_CHECKING, Any

from pytest_sandbox.engine import EngineUnavailable

from ...kernel.cgroups import leftovers
from ...kernel.idmap import SHIFT
from ...options import LocalOptions, Mode
from ...wire import BadMessage, Message, close_all
from ..machine import ids
from . import helper_result
from .agent_link import Answer, error_of
from .channel import Channel
from .launch import launch

if TYPE_CHECKING:
    from ..machine.find_criu import Criu
    from ..machine.host_image import HostImage
    from ..task import LocalTask

#: Seconds for what the kernel is left to clean up by itself.
_PATIENCE = 5.0
#: What one inode may cost besides its contents, to bound the kernel's memory as well.
_BYTES_PER_INODE = 4096


class ZygoteLink:
    """One zygote, in one mode, and the sandboxes that it made.

    Attributes:
        controllers: cgroup controllers that it can use.
        refused: why it cannot use the others.
    """

    def __init__(
        self, mode: Mode, options: LocalOptions, image: HostImage, criu: Criu | None = None
    ) -> None:
        self._criu = criu
        self.mode = mode
        self.controllers: list[str] = []
        self.refused: dict[str, str] = {}
        self._disk = options.disk or default_disk()
        self._image = image
        self._tasks: dict[str, LocalTask] = {}
        self._pids: dict[str, int] = {}
        self._cgroups: list[str] = []
        self._death = ""
        self._numbers = itertools.count(1)
        self._answers: dict[int, asyncio.Future[Answer]] = {}
        self._channel: Channel | None = None
        self._gone = asyncio.Event()
        self._watcher: asyncio.Task[None] | None = None

    @property
    def shift(self) -> int:
        """First id of the machine that its sandboxes use; 0 if they use its own."""
        return SHIFT if self.mode is Mode.ROOT_SHIFTED else 0

    async def start(self) -> None:
        """Start the zygote; return when it can make sandboxes.

        Raises:
            OSError: the step of its preparation that the kernel refused.
            IdsRefused: the machine does not give it the ids for its mode.
            EngineUnavailable: it died.
        """
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed when it is gone
        try:
            with theirs:
                self._process = launch(theirs, self._errors.fileno())
        except OSError:
            ours.close()
            self._errors.close()
            raise
        self._ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._channel = Channel(ours, self._on_message, self._on_close)
        self._channel.send(self._plan())
        await self._ready

    def create(self, task: LocalTask, name: str, sock: socket.socket, fields: Message) -> None:
        """Have a sandbox made whose agent talks over `sock`.

        Raises:
            EngineUnavailable: the zygote died.
        """
        self._send({**fields, "op": "create", "name": name}, (sock.detach(),))
        self._tasks[name] = task

    async def request(self, op: str, fds: tuple[int, ...] = (), **fields: Any) -> Message:
        """Ask the zygote for something; `fds` are closed once they are sent.

        Raises:
            OSError: what the kernel said.
            EngineUnavailable: the zygote died.
        """
        answer, passed = await self._request(op, fds, fields)
        close_all(passed)
        return answer

    async def lend(self, layer: int) -> int:
        """A layer, for another zygote."""
        _, (store,) = await self._request("lend", (), {"layer": layer})
        return store

    async def borrow(self, layer: int, store: int, lender: ZygoteLink) -> None:
        """Have a layer that another zygote lends.

        Raises:
            OSError: what the kernel said.
            EngineUnavailable: the zygote died.
        """
        await self.request("borrow", (store,), layer=layer, shift=lender.shift)

    async def operate(
        self, name: str, kind: str, fds: tuple[int, ...] = (), **fields: Any
    ) -> Answer:
        """Have the processes of a sandbox kept or restored; `fds` are closed once they are sent.

        Returns:
            What came of it, and descriptors.

        Raises:
            OperationRefused: it cannot be done.
            OSError: what the kernel said.
            EngineUnavailable: the zygote died.
        """
        try:
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        except OSError:
            close_all(list(fds))
            raise
        with ours:
            self._send({**fields, "op": kind, "name": name}, (theirs.detach(), *fds))
            return await helper_result.outcome(ours)

    async def _request(self, op: str, fds: tuple[int, ...], fields: dict[str, Any]) -> Answer:
        """Ask the zygote for something.

        Raises:
            OSError: what the kernel said.
            EngineUnavailable: the zygote died.
        """
        number = next(self._numbers)
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._send({**fields, "op": op, "id": number}, fds)
        self._answers[number] = answer
        try:
            return await answer
        finally:
            self._answers.pop(number, None)

    def drop(self, layer: int) -> None:
        """Have a layer freed."""
        self._drop("layer", layer)

    def drop_volume(self, volume: int) -> None:
        """Have a volume freed."""
        self._drop("volume", volume)

    def _drop(self, what: str, number: int) -> None:
        if self._channel is not None:
            request = {"op": "drop", "what": what, "number": number, "id": next(self._numbers)}
            self._channel.send(request)

    def _send(self, message: Message, fds: tuple[int, ...]) -> None:
        if self._channel is None or self._channel.closed:
            close_all(list(fds))
            raise EngineUnavailable(f"the engine's zygote is gone: {self._death}")
        self._channel.send(message, fds)

    def kill(self, name: str) -> None:
        """Have a sandbox killed."""
        if self._channel is not None:
            self._channel.send({"op": "kill", "name": name})

    async def close(self) -> None:
        """End every sandbox, then the zygote; return when nothing is left."""
        await asyncio.gather(*(task.kill() for task in list(self._tasks.values())))
        if self._channel is not None:
            self._channel.close()
            await self._gone.wait()

    def _plan(self) -> Message:
        return {
            "rootless": self.mode in (Mode.SUBORDINATE, Mode.SINGLE),
            "userns": self.mode is not Mode.ROOT_PLAIN,
            "criu": None if self._criu is None else asdict(self._criu),
            "shift": self.shift,
            "ids": ids.count(self.mode),
            "trees": self._image.trees,
            "moved": self._image.moved,
            "links": self._image.links,
            "size": self._disk,
            "inodes": max(16384, self._disk // _BYTES_PER_INODE),
        }

    def _on_message(self, message: Message, fds: list[int]) -> None:
        if "answer" in message:
            self._on_answer(message, fds)
            return
        close_all(fds)
        if "ended" in message:
            self._on_ended(message)
        elif "born" in message:
            self._pids[message["born"]] = message["pid"]
        elif "unshared" in message:
            self._give_ids()
        elif "ready" in message:
            self.controllers = message["controllers"]
            self.refused = message["refused"]
            self._cgroups = message["cgroups"]
            self._ready.set_result(None)
        elif "failed" in message:
            self._ready.set_exception(error_of(message["failed"]))
        else:
            raise BadMessage(str(message))

    def _give_ids(self) -> None:
        try:
            ids.give(self.mode, self._process.pid)
        except ids.IdsRefused as refusal:
            self._ready.set_exception(refusal)
        else:
            assert self._channel is not None
            self._channel.send({"given": True})

    def _on_ended(self, message: Message) -> None:
        name = message["ended"]
        self._pids.pop(name, None)
        task = self._tasks.pop(name, None)
        if task is None:
            return
        failed = message.get("failed")
        task.ended(
            out_of_memory=bool(message.get("oom")),
            failed=error_of(failed) if failed else None,
        )

    def _on_answer(self, message: Message, fds: list[int]) -> None:
        answer = self._answers.get(message["answer"])
        if answer is None or answer.done():
            close_all(fds)
            return
        if "error" in message:
            answer.set_exception(error_of(message["error"]))
        else:
            answer.set_result((message["ok"], fds))

    def _on_close(self) -> None:
        self._watcher = asyncio.get_running_loop().create_task(self._bury())

    async def _bury(self) -> None:
        """The zygote is gone or going: wait for that, and clean up what it could not."""
        await asyncio.to_thread(self._await_death, list(self._pids.values()))
        with self._errors:
            self._errors.seek(0)
            words = self._errors.read().decode(errors="replace").strip()
        self._death = words or f"it ended with status {self._process.returncode}"
        if not self._ready.done():
            self._ready.set_exception(EngineUnavailable(f"the zygote died: {self._death}"))
        for answer in self._answers.values():
            if not answer.done():
                answer.set_exception(EngineUnavailable(f"the zygote died: {self._death}"))
        for task in list(self._tasks.values()):
            task.ended(lost=f"the engine's zygote died: {self._death}")
        self._tasks.clear()
        self._gone.set()

    def _await_death(self, pids: list[int]) -> None:
        """Return when the zygote, its sandboxes and its groups are gone; blocks."""
        try:
            self._process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        deadline = time.monotonic() + _PATIENCE
        for pid in pids:
            _await_exit(pid, deadline)
        for path in self._cgroups:
            while not leftovers.remove(path) and time.monotonic() < deadline:
                time.sleep(0.01)


def default_disk() -> int:
    """Bytes that a sandbox may write where nothing is said."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return min(2 << 30, memory // 4)


def _await_exit(pid: int, deadline: float) -> None:
    try:
        fd = os.pidfd_open(pid)
    except OSError:
        return  # gone, and collected by whoever inherited it
    try:
        poll = select.poll()
        poll.register(fd, select.POLLIN)
        poll.poll(max(0.0, deadline - time.monotonic()) * 1000)
    finally:
        os.close(fd)
