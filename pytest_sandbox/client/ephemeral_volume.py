"""Volumes that exist for the duration of a `with`."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Generic, TypeVar

from pytest_sandbox._proto.volumes_pb2 import VolumeDeleteRequest, VolumeHeartbeatRequest
from pytest_sandbox._shared.async_tasks import background, cancel_and_wait
from pytest_sandbox._shared.pickling import Unpicklable

from .exceptions import NotFoundError
from .transport.dual import dual
from .transport.portal_call import delivered

if TYPE_CHECKING:
    import asyncio

    from .base_client import BaseClient
    from .volume_reference import VolumeReference

__tracebackhide__ = True  # a failing test shows the caller's line, not these

#: Seconds between two heartbeats, as with Modal's clients.
_HEARTBEAT = 300


V = TypeVar("V")


class Ephemeral(Unpicklable, Generic[V]):
    """Makes a volume for a `with` or an `async with`, and deletes it at its end.

    Args:
        volume: what the `with` gives.
        reference: its reference; the volume is not made yet.
    """

    instead = "pass the volume that its with statement gives"

    def __init__(self, volume: V, reference: VolumeReference) -> None:
        self._volume = volume
        self._reference = reference
        self._beating: asyncio.Task[None] | None = None

    @dual
    async def __enter__(self) -> V:
        return await delivered(self._made(), lambda _: self._deleted())

    @dual
    async def __exit__(self, *_: object) -> None:
        await self._deleted()

    async def __aenter__(self) -> V:
        return await self.__enter__.aio()

    async def __aexit__(self, *_: object) -> None:
        await self.__exit__.aio()

    async def _made(self) -> V:
        client, volume_id = await self._reference.look_up_and_bind()
        self._beating = background(self._beat(client, volume_id))
        return self._volume

    async def _beat(self, client: BaseClient, volume_id: str) -> None:
        request = VolumeHeartbeatRequest(volume_id=volume_id)
        at_once = await client.calls.in_cloud()
        while True:
            if not at_once:
                await client.calls.clock.sleep(_HEARTBEAT)
            at_once = False
            await client.calls.control(lambda link: link.control.VolumeHeartbeat, request)

    async def _deleted(self) -> None:
        if self._beating is not None:
            await cancel_and_wait(self._beating)
        client, volume_id = await self._reference.look_up()
        if await client.calls.in_cloud():
            return  # Modal deletes it, as no more heartbeats come
        with contextlib.suppress(NotFoundError):  # deleted by hand
            await client.calls.control(
                lambda link: link.control.VolumeDelete, VolumeDeleteRequest(volume_id=volume_id)
            )
