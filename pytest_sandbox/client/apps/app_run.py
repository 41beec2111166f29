"""Apps that run for the duration of a `with`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

from pytest_sandbox._proto.apps_pb2 import (
    APP_DISCONNECT_REASON_ENTRYPOINT_COMPLETED,
    APP_DISCONNECT_REASON_LOCAL_EXCEPTION,
    AppClientDisconnectRequest,
)
from pytest_sandbox._shared.pickling import Unpicklable

from ..default_client import default_client
from ..transport.dual import dual
from ..transport.portal_call import delivered

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_sandbox._proto.apps_pb2 import AppCreateRequest

    from ..base_client import BaseClient

__tracebackhide__ = True  # a failing test shows the caller's line, not these

A = TypeVar("A")


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
        except BaseException:
            await self._disconnect(client, failed=True)
            raise
        return self._app

    async def _ended(self, *, failed: bool) -> None:
        self._bind(None, None)
        if self._client is not None:
            await self._disconnect(self._client, failed=failed)

    async def _disconnect(self, client: BaseClient, *, failed: bool) -> None:
        reason = (
            APP_DISCONNECT_REASON_LOCAL_EXCEPTION
            if failed
            else APP_DISCONNECT_REASON_ENTRYPOINT_COMPLETED
        )
        request = AppClientDisconnectRequest(app_id=self._app_id, reason=reason)
        await client.calls.control(lambda link: link.control.AppClientDisconnect, request)
