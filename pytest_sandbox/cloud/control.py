"""Calls of Modal's control plane, with what its servers want to know of each."""

from __future__ import annotations

import time
import uuid
from typing import TYPE_CHECKING, Any

from grpclib import GRPCError, Status

from pytest_sandbox._proto.apps_pb2 import AuthTokenGetRequest, EnvironmentGetOrCreateRequest

from .methods import control_methods, is_of_second, opened
from .patience import patient
from .transport.auth_token import AuthToken
from .transport.connections import Connections
from .transport.identity import credentials, identity

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping

    from google.protobuf.message import Message

    from .transport.settings import CloudSettings
    from .warnings_of_modal import CloudWarnings

#: Seconds in which Modal must give a token, as its clients have it.
_TOKEN_TIMEOUT = 5.0
#: Metadata of our client that goes on to Modal.
_PASSED_ON = ("x-idempotency-key", "x-retry-attempt")


class ControlPlane:
    """Modal's control plane.

    Args:
        settings: where it is, and the credentials.
        warnings: takes what its servers warn of.

    Attributes:
        connections: to it.
        settings: as given.
    """

    def __init__(self, settings: CloudSettings, warnings: CloudWarnings) -> None:
        self.settings = settings
        self.connections = Connections(settings.server_urls)
        self._warnings = warnings
        self._identity = identity(settings)
        self._auth = AuthToken(self._auth_token)
        self._builder_version = ""
        #: By sandbox: what its creation answered for further calls about it.
        self.sandbox_tokens: dict[str, str] = {}

    async def call(
        self,
        rpc: str,
        request: Message,
        metadata: Mapping[str, Any] | None = None,
        *,
        timeout: float | None = None,
        caller: str = "",
    ) -> Any:
        """Make a call with one answer, once; a token that has expired is no failure.

        Args:
            rpc: its name.
            request: its message.
            metadata: what our client sent with it.
            timeout: seconds.
            caller: whom to tell what the servers warn of.

        Raises:
            GRPCError: as Modal answered, or UNAVAILABLE.
        """
        given = dict(metadata or {})
        token = await self._token(rpc)
        try:
            return await self._once(rpc, request, given, token, timeout, caller)
        except GRPCError as error:
            if not token or error.status is not Status.UNAUTHENTICATED:
                raise
        token = await self._auth.renewed(token)
        return await self._once(rpc, request, given, token, timeout, caller)

    async def ask(self, rpc: str, request: Message, *, timeout: float = 30.0) -> Any:
        """A call of our own: repeated as Modal's client repeats it.

        Raises:
            GRPCError: the last failure.
        """
        key = str(uuid.uuid4())

        async def attempt(number: int) -> Any:
            metadata = {"x-idempotency-key": key, "x-retry-attempt": str(number)}
            return await self.call(rpc, request, metadata, timeout=timeout)

        return await patient(attempt)

    async def stream(
        self,
        rpc: str,
        request: Message,
        *,
        timeout: float | None = None,
        caller: str = "",
    ) -> AsyncGenerator[Any, None]:
        """The messages of a stream.

        Raises:
            GRPCError: as Modal answered, or UNAVAILABLE.
        """
        token = await self._token(rpc)
        async with self.connections.channel() as channel:
            metadata = self._metadata(rpc, request, {}, token, channel.server)
            method = control_methods()[rpc]
            async with opened(method, channel, metadata, timeout) as stream:
                try:
                    await stream.send_message(request, end=True)
                    while (message := await stream.recv_message()) is not None:
                        yield message
                    await stream.recv_trailing_metadata()
                finally:
                    self._warnings.take(caller, stream.trailing_metadata)

    async def builder_version(self) -> str:
        """The version of Modal's image builder that the environment is set to; asked for once.

        Raises:
            GRPCError: Modal does not say.
        """
        if not self._builder_version:
            request = EnvironmentGetOrCreateRequest(deployment_name=self.settings.environment)
            answer = await self.ask("EnvironmentGetOrCreate", request)
            self._builder_version = str(answer.metadata.settings.image_builder_version)
        return self._builder_version

    def close(self) -> None:
        """Close all connections."""
        self._auth.close()
        self.connections.close()

    async def _once(
        self,
        rpc: str,
        request: Message,
        given: Mapping[str, Any],
        token: str,
        timeout: float | None,
        caller: str,
    ) -> Any:
        async with self.connections.channel() as channel:
            metadata = {
                **self._metadata(rpc, request, given, token, channel.server),
                "x-throttle-retry-attempt": "0",
                "x-modal-timestamp": str(time.time()),
            }
            method = control_methods()[rpc]
            async with opened(method, channel, metadata, timeout) as stream:
                try:
                    await stream.send_message(request, end=True)
                    response = await stream.recv_message()
                    await stream.recv_trailing_metadata()  # which has the warnings
                finally:
                    self._warnings.take(caller, stream.trailing_metadata)
        return response

    def _metadata(
        self, rpc: str, request: Message, given: Mapping[str, Any], token: str, server: str
    ) -> dict[str, Any]:
        metadata = {
            **self._identity,
            **credentials(self.settings),
            "x-modal-host": server,
            **{name: given[name] for name in _PASSED_ON if name in given},
        }
        if token:
            metadata["x-modal-auth-token"] = token
        sandbox_token = self.sandbox_tokens.get(getattr(request, "sandbox_id", ""))
        if sandbox_token and is_of_second(rpc):
            metadata["x-modal-sandbox-token"] = sandbox_token
        return metadata

    async def _token(self, rpc: str) -> str:
        return await self._auth.get() if is_of_second(rpc) else ""

    async def _auth_token(self) -> str:
        answer = await self.ask("AuthTokenGet", AuthTokenGetRequest(), timeout=_TOKEN_TIMEOUT)
        return str(answer.token)
