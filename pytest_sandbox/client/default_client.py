"""The client that calls use which are not given one."""

from __future__ import annotations

import asyncio
import os
import threading
from typing import TYPE_CHECKING, TypeAlias

from pytest_sandbox import _run
from pytest_sandbox._shared.lazy_dataclass import dataclass
from pytest_sandbox._shared.real import real_files

from . import client_maker

if TYPE_CHECKING:
    from collections.abc import Callable

    from .base_client import BaseClient

__tracebackhide__ = True  # a failing test shows the caller's line, not these

#: Names the socket of the engine to use, where no client was set.
SOCKET_VARIABLE = "PYTEST_SANDBOX_SOCKET"
#: Names the worker of pytest-xdist that this process is, or was started by.
_WORKER_VARIABLE = "PYTEST_XDIST_WORKER"


@dataclass(frozen=True)
class _Socket:
    """The engine at a socket."""

    path: str


@dataclass(frozen=True)
class _Inherited:
    """A run that the parent of this process is part of."""

    name: str


_Origin: TypeAlias = "Callable[[], BaseClient] | _Socket | _Inherited"


class DefaultClient:
    """The default client of this process; see `Client.default` for the rule."""

    def __init__(self) -> None:
        self._set: BaseClient | None = None
        self._found: dict[_Origin | None, BaseClient] = {}
        self._run: _run.Run | None = None
        self._lock = threading.Lock()

    def set(self, client: BaseClient | None) -> BaseClient | None:
        """Set it, or with `None` go back to the rule; returns what was set before."""
        before, self._set = self._set, client
        return before

    def known(self) -> BaseClient | None:
        """The default client, unless it takes time to find out."""
        return self._set if self._set is not None else self._open(self._origin())

    def get(self) -> BaseClient:
        """The default client; starts an engine if need be, and blocks meanwhile."""
        with self._lock:
            return self.known() or self._find(self._origin())

    def at(self, socket: str) -> BaseClient:
        """The default client if it is one of the engine at that socket; else another one."""
        known = self.known()
        if known is not None and known.channels.server.address == socket:
            return known
        origin = _Socket(socket)
        with self._lock:
            return self._open(origin) or self._find(origin)

    def _open(self, origin: _Origin | None) -> BaseClient | None:
        found = self._found.get(origin)
        return None if found is None or found.channels.shut_reason else found

    @real_files()
    def _find(self, origin: _Origin | None) -> BaseClient:
        if isinstance(origin, _Socket):
            client = client_maker.make_client(origin.path, _run.app_name(), "")
        elif isinstance(origin, _Inherited):
            engine = _run.Run.join(origin.name)
            # Names of sandboxes are unique in an app, and each worker of pytest-xdist has its own.
            app = _run.app_name(os.environ.get(_WORKER_VARIABLE, ""))
            client = client_maker.make_client(
                engine.socket, app, str(engine.engine.get("name", ""))
            )
        elif origin is None:
            client = client_maker.make_client(self._own_socket(), _run.app_name(), "local")
        else:
            client = origin()
        self._found[origin] = client
        return client

    def _origin(self) -> _Origin | None:
        """Where the default client comes from: a test run, a socket, a parent, or nowhere yet."""
        if _run.default_client is not None:
            return _run.default_client
        if socket := os.environ.get(SOCKET_VARIABLE):
            return _Socket(socket)
        if inherited := _run.inherited():
            return _Inherited(inherited)
        return None

    def _own_socket(self) -> str:
        if self._run is None:
            self._run = _run.Run.create()
            self._run.announce()
        return self._run.socket()


DEFAULT = DefaultClient()


async def default_client() -> BaseClient:
    """The default client, found without blocking the loop while an engine starts."""
    if (known := DEFAULT.known()) is not None:
        return known
    return await asyncio.to_thread(DEFAULT.get)
