"""The client of an engine process, and what it offers."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, cast

from google.protobuf.empty_pb2 import Empty

from pytest_sandbox import _run

from .base_client import BaseClient
from .batch import SandboxBatch
from .default_client import DEFAULT, default_client
from .extensions import Extensions
from .inspector import Inspector
from .refusals import refused
from .transport.channels import UnixServer
from .transport.dual import dual, dual_function

if TYPE_CHECKING:
    from collections.abc import Iterable

    from typing_extensions import Self

    from .transport.server import Server

__tracebackhide__ = True  # a failing test shows the caller's line, not these

_NO_CREDENTIALS = "engines are on this machine and need none; use Client.default()"


class Client(BaseClient):
    """A client of one engine process. At the end of a `with` or an `async with` it is closed.

    Args:
        socket_path: the Unix socket that it serves on.
        app_name: the app of sandboxes that are created without one; `pytest-sandbox` by default.
        engine: the name of the engine; the server is asked for it if not given.
    """

    def __init__(
        self, socket_path: str | os.PathLike[str], *, app_name: str = "", engine: str = ""
    ) -> None:
        super().__init__(UnixServer(os.fspath(socket_path), engine), app_name or _run.app_name())

    @classmethod
    def of_server(cls, server: Server) -> Self:
        """A client of a server that is reached in another way than by a Unix socket."""
        client = cls.__new__(cls)
        BaseClient.__init__(client, server, _run.app_name())
        return client

    @staticmethod
    def default() -> Client:
        """The client that calls use which are not given one.

        It is the one set with `set_default`; else that of the test run that this process is
        part of; else one for the socket that the environment variable `PYTEST_SANDBOX_SOCKET`
        names; else one for the run of the process that started this one, which the variable
        `PYTEST_SANDBOX_RUN` names; else one for a local engine that is started for this process
        and ends with it.

        Raises:
            EngineStartError: the engine cannot be started; the message says why.
        """
        return cast("Client", DEFAULT.get())

    @staticmethod
    def set_default(client: Client | None) -> Client | None:
        """Make `client` the default, or go back to the rule, and return what was set before."""
        return cast("Client | None", DEFAULT.set(client))

    @staticmethod
    @dual_function
    async def from_env() -> Client:
        """The default client, under the name that Modal gives it."""
        return cast("Client", await default_client())

    from_credentials = refused("Client.from_credentials", _NO_CREDENTIALS)
    from_oauth_credentials = refused("Client.from_oauth_credentials", _NO_CREDENTIALS)
    anonymous = refused("Client.anonymous", _NO_CREDENTIALS)
    verify = refused("Client.verify", _NO_CREDENTIALS)

    @dual
    async def hello(self) -> None:
        """Ask the server for a sign of life.

        Raises:
            ConnectionError: there is none.
        """
        await self.calls.control(lambda link: link.control.ClientHello, Empty())

    def is_closed(self) -> bool:
        """Whether it was closed."""
        return bool(self.channels.shut_reason)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close.aio()

    def batch(self, ids: Iterable[str]) -> SandboxBatch:
        """Sandboxes, given by their ids, to be asked or ended all at once."""
        return SandboxBatch(self.calls, ids)

    def batch_of_app(self, name: str) -> SandboxBatch:
        """The running sandboxes of an app.

        Raises:
            asyncio.TimeoutError: the engine does not answer.
        """
        return SandboxBatch.of_app(self.calls, name)

    @property
    def extensions(self) -> Extensions:
        """The calls that engines of this package have and Modal's protocol has not."""
        return Extensions(self)

    @property
    def inspector(self) -> Inspector:
        """The calls that the engine recorded, and its planned faults: for `Rpcs` and `Faults`.

        Only engine processes of this package have one, and only on their Unix socket.
        """
        return Inspector(self.calls)
