"""The engine's gateway: started when the first sandbox has a way out, and again if it dies."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import time
from typing import TYPE_CHECKING

from ...protocol.gateway import GATEWAY_TO_ENGINE, AdmitRequest, EvictRequest
from . import foreign
from .bare_python import launch
from .channel import Channel

if TYPE_CHECKING:
    from pytest_sandbox.engine import Network

#: Seconds between two starts, for a gateway that dies again and again.
_BETWEEN_STARTS = 1.0
_STANDARD_ERROR = 2
#: Seconds for a gateway to end whose socket is closed.
_EXIT_TIMEOUT = 5.0


class GatewayLink:
    """What the gateway is told, and remembered for one that takes its place.

    The listeners stay open here too: connections wait in their queues while there is no gateway.
    """

    def __init__(self) -> None:
        self._admitted: dict[str, tuple[list[int], Network]] = {}
        self._channel: Channel | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._started = -_BETWEEN_STARTS
        self._starting: asyncio.Task[None] | None = None
        self._closed = False

    @property
    def pid(self) -> int | None:
        """Of the gateway, once it is started."""
        return None if self._process is None else self._process.pid

    def admit(self, name: str, listeners: list[int], network: Network) -> None:
        """Have connections of a sandbox accepted and relayed.

        Args:
            name: of the sandbox.
            listeners: descriptors of it; owned.
            network: where connections may lead.
        """
        self._admitted[name] = listeners, network
        if self._channel is not None and not self._channel.closed:
            self._tell(name)
        elif self._starting is None:
            self._starting = asyncio.get_running_loop().create_task(self._start())

    def evict(self, name: str) -> None:
        """End the connections of a sandbox, if it has a way out."""
        if name not in self._admitted:
            return
        foreign.close(self._admitted.pop(name)[0])
        if self._channel is not None:
            self._channel.send(EvictRequest(name=name))

    async def close(self) -> None:
        """End the gateway; return when it is gone."""
        self._closed = True
        if self._starting is not None:
            await self._starting
        for name in list(self._admitted):
            self.evict(name)
        if self._channel is not None:
            self._channel.close()
        await asyncio.to_thread(self._wait)

    async def _start(self) -> None:
        try:
            while self._admitted and not self._closed and not await self._try():
                pass
        finally:
            self._starting = None

    async def _try(self) -> bool:
        """Start a gateway; False if that is not possible at present."""
        await asyncio.sleep(max(0.0, self._started + _BETWEEN_STARTS - time.monotonic()))
        self._started = time.monotonic()
        await asyncio.to_thread(self._wait)
        try:
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        except OSError:
            return False
        with theirs:
            try:
                self._process = await asyncio.to_thread(
                    launch, "gateway.gateway", theirs, _STANDARD_ERROR
                )
                self._channel = Channel(
                    ours, GATEWAY_TO_ENGINE, lambda *_: None, lambda _: self._on_close()
                )
            except OSError:
                ours.close()
                return False
        for name in self._admitted:
            self._tell(name)
        return True

    def _tell(self, name: str) -> None:
        assert self._channel is not None
        listeners, network = self._admitted[name]
        try:
            copies = tuple(os.dup(listener) for listener in listeners)
        except OSError:
            return  # the engine has as many descriptors as it may have: it has no way out
        self._channel.send(AdmitRequest(name=name, cidrs=list(network.cidrs)), copies)

    def _on_close(self) -> None:
        if not self._closed and self._starting is None and self._admitted:
            self._starting = asyncio.get_running_loop().create_task(self._start())

    def _wait(self) -> None:
        """Return when a gateway whose socket is closed is gone; blocks."""
        if self._process is not None:
            try:
                self._process.wait(_EXIT_TIMEOUT)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
