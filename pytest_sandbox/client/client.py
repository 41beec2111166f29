"""The client: one server, and what was created there."""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from typing import TYPE_CHECKING

from pytest_sandbox import _run
from pytest_sandbox._proto.apps_pb2 import AppGetOrCreateRequest
from pytest_sandbox._proto.common_pb2 import OBJECT_CREATION_TYPE_CREATE_IF_MISSING

from .batch import SandboxBatch
from .extensions import Extensions
from .inspector import Inspector
from .transport.calls import Calls
from .transport.channels import Channels, Server, UnixServer
from .transport.dual import Dual, dual

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Iterator, Set

    from typing_extensions import Self

__tracebackhide__ = True  # a failing test shows the caller's line, not these


#: Where the socket of the engine to use is, when nobody says otherwise.
SOCKET_VARIABLE = "PYTEST_SANDBOX_SOCKET"
#: The app of sandboxes that are created without one.
APP_NAME = "pytest-sandbox"


class Client:
    """A client of one engine process.

    Args:
        socket_path: the Unix socket that it serves on.
        app_name: the app of sandboxes that are created without one.
    """

    def __init__(self, socket_path: str | os.PathLike[str], *, app_name: str = APP_NAME) -> None:
        self._open(UnixServer(os.fspath(socket_path)), app_name)

    @classmethod
    def _to(cls, server: Server) -> Self:
        client = cls.__new__(cls)
        client._open(server, APP_NAME)
        return client

    def _open(self, server: Server, app_name: str) -> None:
        self._app_name = app_name
        self._channels = Channels(server)
        self._calls = Calls(self._channels)
        self._recordings: list[list[str]] = []
        self._secret_values: set[str] = set()
        self._known: dict[str, str] = {}
        self._asking = asyncio.Lock()

    @staticmethod
    def default() -> Client:
        """The client that calls use which are not given one.

        It is the one set with `set_default`; else that of the test run that this process is
        part of; else one to the socket that the environment
        variable `PYTEST_SANDBOX_SOCKET` names; else one to a local engine that is started for
        this process and ends with it.

        Raises:
            EngineStartError: the engine cannot be started; it says why.
        """
        return _default.get()

    @staticmethod
    def set_default(client: Client | None) -> Client | None:
        """Make `client` the default, or go back to the rule, and return what was set before."""
        return _default.set(client)

    @staticmethod
    @Dual
    async def from_env() -> Client:
        """The default client, under the name that Modal gives it."""
        return await default_client()

    @contextlib.contextmanager
    def record(self) -> Iterator[list[str]]:
        """A list that gets the id of every sandbox this client creates meanwhile."""
        ids: list[str] = []
        self._recordings.append(ids)
        try:
            yield ids
        finally:
            # Not `remove`, which compares: there may be an equal one.
            self._recordings = [other for other in self._recordings if other is not ids]

    @property
    def secret_values(self) -> Set[str]:
        """The values of the secrets that it sent, which a report must not show."""
        return self._secret_values

    def batch(self, ids: Iterable[str]) -> SandboxBatch:
        """Sandboxes, given by their ids, to be asked or ended all at once."""
        return SandboxBatch(self._calls, ids)

    def batch_of_app(self, name: str) -> SandboxBatch:
        """The running sandboxes of an app.

        Raises:
            asyncio.TimeoutError: the engine does not answer.
        """
        return SandboxBatch.of_app(self._calls, name)

    @property
    def extensions(self) -> Extensions:
        """What this engine does besides what Modal's protocol has."""
        return Extensions(self)

    @property
    def inspector(self) -> Inspector:
        """What the engine recorded, and what is to go wrong there: for `Rpcs` and `Faults`.

        Only engine processes of this package have one, and only on their Unix socket.
        """
        return Inspector(self)

    @dual
    async def close(self) -> None:
        """Close the connections; further calls raise `ClientClosed`."""
        self._channels.shut()

    def _created(self, sandbox_id: str) -> None:
        for ids in self._recordings:
            ids.append(sandbox_id)

    async def _own_app_id(self) -> str:
        """The id of the app of sandboxes without one."""
        return await self._once("own app", _look_up_app)

    async def _once(self, what: str, ask: Callable[[Client], Awaitable[str]]) -> str:
        """An id that is asked for once."""
        if what not in self._known:
            async with self._asking:
                if what not in self._known:
                    self._known[what] = await ask(self)
        return self._known[what]


async def _look_up_app(client: Client) -> str:
    request = AppGetOrCreateRequest(
        app_name=client._app_name, object_creation_type=OBJECT_CREATION_TYPE_CREATE_IF_MISSING
    )
    response = await client._calls.control(lambda link: link.control.AppGetOrCreate, request)
    return response.app_id


class _Default:
    """The default client of this process."""

    def __init__(self) -> None:
        self._set: Client | None = None
        self._found: dict[Callable[[], Client] | str | None, Client] = {}
        self._run: _run.Run | None = None
        self._lock = threading.Lock()

    def set(self, client: Client | None) -> Client | None:
        before, self._set = self._set, client
        return before

    def known(self) -> Client | None:
        """The default client, unless it takes time to find out."""
        if self._set is not None:
            return self._set
        found = self._found.get(self._origin())
        return None if found is None or found._channels.is_shut else found

    def get(self) -> Client:
        with self._lock:
            return self.known() or self._find()

    def _find(self) -> Client:
        origin = self._origin()
        client = origin() if callable(origin) else Client(origin or self._own_socket())
        self._found[origin] = client
        return client

    def _origin(self) -> Callable[[], Client] | str | None:
        """Where the default client comes from: a test run, a socket, or nowhere yet."""
        return _run.default_client or os.environ.get(SOCKET_VARIABLE) or None

    def _own_socket(self) -> str:
        if self._run is None:
            self._run = _run.Run.create()
        return self._run.socket()


_default = _Default()


async def default_client() -> Client:
    """`Client.default()` without keeping the loop waiting while an engine starts."""
    if (known := _default.known()) is not None:
        return known
    return await asyncio.to_thread(_default.get)
