"""Apps that run for the duration of a `with`."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Generic, TypeVar

from pytest_sandbox._proto.apps_pb2 import (
    APP_DISCONNECT_REASON_ENTRYPOINT_COMPLETED,
    APP_DISCONNECT_REASON_LOCAL_EXCEPTION,
    APP_STATE_EPHEMERAL,
    AppClientDisconnectRequest,
    AppHeartbeatRequest,
    AppPublishRequest,
)
from pytest_sandbox._shared.async_tasks import background, cancel_and_wait
from pytest_sandbox._shared.pickling import Unpicklable

from ..default_client import default_client
from ..exceptions import Error
from ..transport.dual import dual
from ..transport.portal_call import delivered

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from pytest_sandbox._proto.apps_pb2 import AppCreateRequest

    from ..base_client import BaseClient

__tracebackhide__ = True  # a failing test shows the caller's line, not these

A = TypeVar("A")

#: Seconds between two signs of life, as with Modal's clients.
_HEARTBEAT = 15.0


class AppRun(Unpicklable, Generic[A]):
    """Starts an app for a `with` or an `async with`, and ends it and its sandboxes.

    Args:
        app: what the `with` gives.
        bind: gives the app its client and its id, and takes them.
        request: asks for it.
        client: whose app; the default client's if not given.
    """

    instead = "pass the app that its with statement gives"

    def __init__(
        self,
        app: A,
        bind: Callable[[BaseClient | None, str | None], None],
        request: AppCreateRequest,
        client: BaseClient | None,
    ) -> None:
        self._app = app
        self._bind = bind
        self._request = request
        self._client = client
        self._app_id = ""
        self._beating: asyncio.Task[None] | None = None

    @dual
    async def __enter__(self) -> A:
        return await delivered(self._started(), lambda _: self._ended(failed=True))

    @dual
    async def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        await self._ended(failed=kind is not None)

    async def __aenter__(self) -> A:
        return await self.__enter__.aio()

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        await self.__exit__.aio(kind)

    async def _started(self) -> A:
        client = self._client = self._client or await default_client()
        response = await client.calls.control(lambda link: link.control.AppCreate, self._request)
        self._app_id = response.app_id
        try:
            self._bind(client, response.app_id)
            if await client.calls.in_cloud():
                self._beating = background(self._beat(client))
                await client.calls.control(
                    lambda link: link.control.AppPublish,
                    AppPublishRequest(app_id=self._app_id, app_state=APP_STATE_EPHEMERAL),
                )
        except BaseException:
            await self._disconnect(client, failed=True)
            raise
        return self._app

    async def _ended(self, *, failed: bool) -> None:
        self._bind(None, None)
        if self._client is not None:
            await self._disconnect(self._client, failed=failed)

    async def _beat(self, client: BaseClient) -> None:
        """Say that this program lives, without which a cloud ends the app after a while."""
        request = AppHeartbeatRequest(app_id=self._app_id)
        while True:
            with contextlib.suppress(Error):  # the next one may come through
                await client.calls.control(lambda link: link.control.AppHeartbeat, request)
            await client.calls.clock.sleep(_HEARTBEAT)

    async def _disconnect(self, client: BaseClient, *, failed: bool) -> None:
        if self._beating is not None:
            await cancel_and_wait(self._beating)
        reason = (
            APP_DISCONNECT_REASON_LOCAL_EXCEPTION
            if failed
            else APP_DISCONNECT_REASON_ENTRYPOINT_COMPLETED
        )
        request = AppClientDisconnectRequest(app_id=self._app_id, reason=reason)
        await client.calls.control(lambda link: link.control.AppClientDisconnect, request)
