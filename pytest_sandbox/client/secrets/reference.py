"""How a secret is found on a server, which is asked when the secret is first used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_sandbox._proto.common_pb2 import (
    OBJECT_CREATION_TYPE_ANONYMOUS_OWNED_BY_APP,
    OBJECT_CREATION_TYPE_EPHEMERAL,
)
from pytest_sandbox._proto.sandboxes_pb2 import StringMap
from pytest_sandbox._proto.secrets_pb2 import (
    SecretGetInfoRequest,
    SecretGetOrCreateRequest,
    SecretGetOrCreateResponse,
    SecretMetadata,
    SecretSource,
)

from ..default_client import default_client
from ..exceptions import ConflictError, InvalidError
from ..handles import optional_address, optional_client_at

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ..base_client import BaseClient

__tracebackhide__ = True  # a failing test shows the caller's line, not these


class SecretReference:
    """What a server is asked for to get a secret, and the ids that it answered with.

    Args:
        request: asks for it.
        client: whose secret; that of the sandbox it is used for if not given.
        env: its variables, if they are known here.
        known: what the server of the client has answered already.

    Attributes:
        client: whose secret, if it is known.
        env: its variables, if they are known here.
        name: of the secret; empty for one without.
    """

    def __init__(
        self,
        request: SecretGetOrCreateRequest,
        client: BaseClient | None = None,
        *,
        env: Mapping[str, str] | None = None,
        known: SecretGetOrCreateResponse | None = None,
    ) -> None:
        self.env = env
        self.name = request.deployment_name
        self._request = request
        self.client = client
        self._known: dict[tuple[BaseClient, str], SecretGetOrCreateResponse] = {}
        if client is not None and known is not None:
            self._known[client, ""] = known

    def __reduce__(self) -> tuple[Any, ...]:
        where = optional_address(self.client, self)
        return _unpickled, (self._request, where, self.env)

    def __repr__(self) -> str:
        return f"the secret {self.name!r}"

    async def id(self, client: BaseClient, app_id: str = "") -> str:
        """The id of the secret, for a sandbox of an app or, without one, for a command.

        Raises:
            NotFoundError: there is none of that name.
            InvalidError: it lacks required keys.
        """
        client = self.client or client
        if (client, app_id) not in self._known:
            self._known[client, app_id] = await self._ask(client, app_id)
        return self._known[client, app_id].secret_id

    async def metadata(self, *, refresh: bool) -> SecretMetadata:
        """What a server knows of it.

        Args:
            refresh: ask for it again.

        Raises:
            NotFoundError: there is none of that name.
            InvalidError: it lacks required keys.
        """
        client, response = await self.look_up()
        if not refresh:
            return response.metadata
        request = SecretGetInfoRequest(secret_id=response.secret_id)
        answer = await client.calls.control(lambda link: link.control.SecretGetInfo, request)
        return answer.metadata

    async def look_up(self) -> tuple[BaseClient, SecretGetOrCreateResponse]:
        """A client that knows it, and what its server has answered.

        Raises:
            NotFoundError: there is none of that name.
            InvalidError: it lacks required keys.
        """
        for (client, _), response in self._known.items():
            return client, response
        client = self.client or await default_client()
        await self.id(client)
        return client, self._known[client, ""]

    def ids(self) -> Iterator[str]:
        """The ids by which servers know it, as far as it was looked up."""
        return (response.secret_id for response in self._known.values())

    async def _ask(self, client: BaseClient, app_id: str) -> SecretGetOrCreateResponse:
        request = SecretGetOrCreateRequest()
        request.CopyFrom(self._request)
        if self.env is not None:
            client.secret_values.update(self.env.values())
            request.app_id = app_id
            request.object_creation_type = (
                OBJECT_CREATION_TYPE_ANONYMOUS_OWNED_BY_APP
                if app_id
                else OBJECT_CREATION_TYPE_EPHEMERAL
            )
        try:
            return await client.calls.control(lambda link: link.control.SecretGetOrCreate, request)
        except ConflictError as error:
            raise InvalidError(str(error)) from error

    async def source(self, client: BaseClient) -> SecretSource:
        """What a command gets: the variables themselves if they are known here, else the id."""
        if self.env is not None:
            client.secret_values.update(self.env.values())
            return SecretSource(env=StringMap(contents=self.env))
        return SecretSource(secret_id=await self.id(client))


def _unpickled(
    request: SecretGetOrCreateRequest, where: str, env: Mapping[str, str] | None
) -> SecretReference:
    return SecretReference(request, optional_client_at(where), env=env)
