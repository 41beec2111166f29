"""The client that calls use which are not given one."""

from __future__ import annotations

import asyncio
import os
import threading
from typing import TYPE_CHECKING

from pytest_sandbox import _run

from . import client_maker

if TYPE_CHECKING:
    from collections.abc import Callable

    from .base_client import BaseClient

__tracebackhide__ = True  # a failing test shows the caller's line, not these

#: Names the socket of the engine to use, where no client was set.
SOCKET_VARIABLE = "PYTEST_SANDBOX_SOCKET"


class DefaultClient:
    """The default client of this process; see `Client.default` for the rule."""

    def __init__(self) -> None:
        self._set: BaseClient | None = None
        self._found: dict[Callable[[], BaseClient] | str | None, BaseClient] = {}
        self._run: _run.Run | None = None
        self._lock = threading.Lock()

    def set(self, client: BaseClient | None) -> BaseClient | None:
        """Set it, or with `None` go back to the rule; returns what was set before."""
        before, self._set = self._set, client
        return before

    def known(self) -> BaseClient | None:
        """The default client, unless it takes time to find out."""
        if self._set is not None:
            return self._set
        found = self._found.get(self._origin())
        return None if found is None or found.channels.is_shut else found

    def get(self) -> BaseClient:
        """The default client; starts an engine if need be, and blocks meanwhile."""
        with self._lock:
            return self.known() or self._find()

    def _find(self) -> BaseClient:
        origin = self._origin()
        if callable(origin):
            client = origin()
        else:
            client = client_maker.make_client(origin or self._own_socket())
        self._found[origin] = client
        return client

    def _origin(self) -> Callable[[], BaseClient] | str | None:
        """Where the default client comes from: a test run, a socket, or nowhere yet."""
        return _run.default_client or os.environ.get(SOCKET_VARIABLE) or None

    def _own_socket(self) -> str:
        if self._run is None:
            self._run = _run.Run.create()
        return self._run.socket()


DEFAULT = DefaultClient()


async def default_client() -> BaseClient:
    """The default client, found without blocking the loop while an engine starts."""
    if (known := DEFAULT.known()) is not None:
        return known
    return await asyncio.to_thread(DEFAULT.get)
