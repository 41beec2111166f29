"""The engine's conversation with its zygote: start it, have sandboxes made and ended."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import tempfile
from typing import Any

from pytest_sandbox.engine import EngineUnavailable

from ._agent_link import error_of
from ._channel import Channel
from ._image import HostImage
from ._launch import launch
from ._options import LocalOptions, Mode
from ._task import LocalTask
from ._wire import BadMessage, Message, close_all


class ZygoteLink:
    """One zygote, in one mode, and the sandboxes that it made."""

    def __init__(self, mode: Mode, options: LocalOptions, image: HostImage) -> None:
        self.mode = mode
        self.lost = ""
        self._options = options
        self._image = image
        self._tasks: dict[str, LocalTask] = {}
        self._pids: dict[str, int] = {}
        self._closing = False
        self._gone = asyncio.Event()

    async def start(self) -> None:
        """Start the zygote; return when it can make sandboxes.

        Raises:
            OSError: the step of its preparation that the kernel refused.
        """
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._errors = tempfile.TemporaryFile()
        with theirs:
            self._process = launch(theirs, self._errors.fileno())
        self._loop = asyncio.get_running_loop()
        self._ready: asyncio.Future[None] = self._loop.create_future()
        self._channel = Channel(ours, self._on_message, self._on_close)
        self._channel.send(self._plan())
        await self._ready

    def create(
        self, task: LocalTask, name: str, theirs: socket.socket, fields: dict[str, Any]
    ) -> None:
        """Have a sandbox made that talks over `theirs`."""
        if self._channel.closed:
            theirs.close()
            raise EngineUnavailable(f"the engine's zygote is gone: {self.lost}")
        self._tasks[name] = task
        self._channel.send({**fields, "op": "create", "name": name}, (theirs.detach(),))

    def kill(self, name: str) -> None:
        """Have a sandbox killed."""
        self._channel.send({"op": "kill", "name": name})

    async def close(self) -> None:
        """End every sandbox, then the zygote; return when nothing is left."""
        self._closing = True
        tasks = list(self._tasks.values())
        await asyncio.gather(*(task.kill() for task in tasks))
        self._channel.close()
        await self._gone.wait()

    def _plan(self) -> Message:
        return {
            "rootless": self.mode in (Mode.SUBORDINATE, Mode.SINGLE),
            "shift": 0x6FFF0000 if self.mode is Mode.ROOT_SHIFTED else 0,
            "ids": 1 if self.mode is Mode.SINGLE else 65536,
            "trees": self._image.trees,
            "links": self._image.links,
            "size": self._options.disk or 2 << 30,
            "inodes": 1_000_000,
        }

    def _on_message(self, message: Message, fds: list[int]) -> None:
        close_all(fds)
        if message.get("ready") is True:
            self._ready.set_result(None)
        elif "failed" in message and "ended" not in message:
            self._ready.set_exception(error_of(message["failed"]))
        elif "born" in message:
            self._pids[message["born"]] = message["pid"]
        elif "ended" in message:
            self._on_ended(message)
        elif "unshared" in message:
            self._map_ids()
        else:
            raise BadMessage(str(message))

    def _map_ids(self) -> None:
        pid = self._process.pid
        with open(f"/proc/{pid}/setgroups", "w") as file:
            file.write("deny")
        for kind, own in (("uid", os.geteuid()), ("gid", os.getegid())):
            with open(f"/proc/{pid}/{kind}_map", "w") as file:
                file.write(f"0 {own} 1")
        self._channel.send({"mapped": True})

    def _on_ended(self, message: Message) -> None:
        task = self._tasks.pop(message["ended"], None)
        self._pids.pop(message["ended"], None)
        if task is not None:
            task.ended(out_of_memory=message.get("oom", False))

    def _on_close(self) -> None:
        self._loop.create_task(self._wait_gone())

    async def _wait_gone(self) -> None:
        await self._loop.run_in_executor(None, self._process.wait)
        self._errors.seek(0)
        self.lost = self._errors.read().decode(errors="replace").strip() or "it was killed"
        self._errors.close()
        if not self._ready.done():
            self._ready.set_exception(EngineUnavailable(f"the zygote died: {self.lost}"))
        for task in list(self._tasks.values()):
            task.ended(lost=f"the engine's zygote died: {self.lost}")
        self._tasks.clear()
        self._gone.set()


__all__ = ["ZygoteLink", "subprocess"]
