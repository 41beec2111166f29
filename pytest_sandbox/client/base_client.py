"""What all objects of one client share: its calls, and what it knows of its server.

Sandboxes, images, volumes, ... refer to this class. `Client`, which is one, offers them and so
imports them.
"""

from __future__ import annotations

import asyncio
import contextlib
import weakref
from typing import TYPE_CHECKING

from pytest_sandbox._proto.apps_pb2 import AppGetOrCreateRequest
from pytest_sandbox._proto.common_pb2 import OBJECT_CREATION_TYPE_CREATE_IF_MISSING
from pytest_sandbox._shared.pickling import Unpicklable

from .transport.calls import Calls
from .transport.channels import Channels
from .transport.dual import dual

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from .transport.server import Server

__tracebackhide__ = True  # a failing test shows the caller's line, not these


class IdCache:
    """Ids that a server gives, each of which is asked for once.

    Args:
        calls: to ask with.
    """

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._known: dict[str, str] = {}
        self._asking = asyncio.Lock()

    async def get(self, key: str, ask: Callable[[Calls], Awaitable[str]]) -> str:
        """The id under a key; `ask` is called for it unless it is known."""
        if key not in self._known:
            async with self._asking:
                if key not in self._known:
                    self._known[key] = await ask(self._calls)
        return self._known[key]


class BaseClient(Unpicklable):
    """A client of one server.

    Args:
        server: where to connect to.
        app_name: the app of sandboxes that are created without one.

    Attributes:
        calls: makes the calls.
        channels: the connections.
        app_name: the app of sandboxes that are created without one.
        ids: ids that the server is asked for once.
        built: ids of images by their last step, as the server has told last.
        secret_values: values of the secrets that were sent, which a report must not show.
        with_gpus: ids of the sandboxes that were created with GPUs.
        gpu: the argument `gpu=` of sandboxes that are created without one.
    """

    instead = "it holds connections. There, Client.default() is a client of the same run"

    def __init__(self, server: Server, app_name: str) -> None:
        self.app_name = app_name
        self.channels = Channels(server)
        self.calls = Calls(self.channels)
        self.secret_values: set[str] = set()
        self.with_gpus: set[str] = set()
        self.gpu: str | None = None
        self.ids = IdCache(self.calls)
        self.built: weakref.WeakKeyDictionary[object, str] = weakref.WeakKeyDictionary()
        self._recordings: list[list[str]] = []

    @contextlib.contextmanager
    def record(self) -> Iterator[list[str]]:
        """Give a list to which the id of every sandbox that this client creates is added.

        The list grows until the end of the `with`.
        """
        ids: list[str] = []
        self._recordings.append(ids)
        try:
            yield ids
        finally:
            # Not `remove`, which compares: there may be an equal one.
            self._recordings = [other for other in self._recordings if other is not ids]

    def created(self, sandbox_id: str) -> None:
        """Take note of a sandbox that this client has created, for `record`."""
        for ids in self._recordings:
            ids.append(sandbox_id)

    @dual
    async def close(self) -> None:
        """Close the connections; further calls raise `ClientClosed`."""
        self.channels.shut()


def closed_client(client: BaseClient, reason: str) -> BaseClient:
    """A client of the same server whose calls raise `ClientClosed` with a reason."""
    closed = BaseClient(client.channels.server, client.app_name)
    closed.channels.shut(reason)
    return closed


async def own_app_id(client: BaseClient) -> str:
    """The id of the app of sandboxes that are created without one."""

    async def look_up(calls: Calls) -> str:
        request = AppGetOrCreateRequest(
            app_name=client.app_name, object_creation_type=OBJECT_CREATION_TYPE_CREATE_IF_MISSING
        )
        response = await calls.control(lambda link: link.control.AppGetOrCreate, request)
        return response.app_id

    return await client.ids.get("own app", look_up)
