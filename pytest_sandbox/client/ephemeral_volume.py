"""Volumes that live as long as a `with`."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from pytest_sandbox._proto.volumes_pb2 import VolumeDeleteRequest, VolumeHeartbeatRequest
from pytest_sandbox._shared.async_tasks import background, cancel_and_wait

from .exceptions import NotFoundError
from .transport.dual import Dual

if TYPE_CHECKING:
    import asyncio

    from .client import Client
    from .volume import Volume

__tracebackhide__ = True  # a failing test shows the caller's line, not these

#: Seconds between two signs of life, as Modal's clients have it.
_HEARTBEAT = 300


class Ephemeral:
    """Makes a volume for a `with` or an `async with`, and deletes it at its end.

    Args:
        volume: not made yet.
    """

    def __init__(self, volume: Volume) -> None:
        self._volume = volume
        self._beating: asyncio.Task[None] | None = None
        self._begin = Dual(self._enter)
        self._finish = Dual(self._exit)

    def __enter__(self) -> Volume:
        return self._begin()

    def __exit__(self, *_: object) -> None:
        self._finish()

    async def __aenter__(self) -> Volume:
        return await self._begin.aio()

    async def __aexit__(self, *_: object) -> None:
        await self._finish.aio()

    async def _enter(self) -> Volume:
        client, _ = await self._volume._look_up()
        self._volume._client = client  # there is no other that has it
        self._beating = background(self._beat(client))
        return self._volume

    async def _beat(self, client: Client) -> None:
        request = VolumeHeartbeatRequest(volume_id=self._volume.object_id)
        while True:
            await client._calls.clock.sleep(_HEARTBEAT)
            await client._calls.control(lambda link: link.control.VolumeHeartbeat, request)

    async def _exit(self) -> None:
        if self._beating is not None:
            await cancel_and_wait(self._beating)
        client, volume_id = await self._volume._look_up()
        with contextlib.suppress(NotFoundError):  # deleted by hand
            await client._calls.control(
                lambda link: link.control.VolumeDelete, VolumeDeleteRequest(volume_id=volume_id)
            )
