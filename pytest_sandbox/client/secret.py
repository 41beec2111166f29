"""Secrets: environment variables that the server stores."""

from __future__ import annotations

import os
from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from pytest_sandbox._proto.common_pb2 import (
    OBJECT_CREATION_TYPE_ANONYMOUS_OWNED_BY_APP,
    OBJECT_CREATION_TYPE_EPHEMERAL,
)
from pytest_sandbox._proto.sandboxes_pb2 import StringMap
from pytest_sandbox._proto.secrets_pb2 import SecretGetOrCreateRequest, SecretSource
from pytest_sandbox._shared.type_names import type_name

from .default_client import default_client
from .exceptions import ConflictError, InvalidError
from .handles import optional_address, optional_client_at
from .transport.dual import dual
from .validation import check_environment, check_list

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .base_client import BaseClient

__tracebackhide__ = True  # a failing test shows the caller's line, not these


class SecretReference:
    """What a server is asked for to get a secret, and the ids that it answered with.

    Args:
        request: asks for it.
        client: whose secret; that of the sandbox it is used for if not given.
        env: its variables, if they are known here.
    """

    def __init__(
        self,
        request: SecretGetOrCreateRequest,
        client: BaseClient | None = None,
        *,
        env: Mapping[str, str] | None = None,
    ) -> None:
        self.env = env
        self.name = request.deployment_name
        self._request = request
        self._client = client
        self._ids: dict[tuple[BaseClient, str], str] = {}

    def __reduce__(self) -> tuple[Any, ...]:
        where = optional_address(self._client, self)
        return _unpickled, (self._request, where, self.env)

    def __repr__(self) -> str:
        return f"the secret {self.name!r}"

    async def id(self, client: BaseClient, app_id: str = "") -> str:
        """The id of the secret, for a sandbox of an app or, without one, for a command.

        Raises:
            NotFoundError: there is none of that name.
            InvalidError: it lacks required keys.
        """
        client = self._client or client
        if (client, app_id) not in self._ids:
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
                response = await client.calls.control(
                    lambda link: link.control.SecretGetOrCreate, request
                )
            except ConflictError as error:
                raise InvalidError(str(error)) from error
            self._ids[client, app_id] = response.secret_id
        return self._ids[client, app_id]

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


class Secret:
    """Environment variables for a sandbox or a command; see `from_dict` and `from_name`.

    Attributes:
        reference: finds it on a server; for the other classes of this package.
    """

    def __init__(self, reference: SecretReference) -> None:
        self.reference = reference

    @staticmethod
    def from_dict(env_dict: dict[str, str | None] = {}) -> Secret:  # noqa: B006 - Modal's default
        """A secret with these variables.

        Args:
            env_dict: names and values; names without a value (`None`) are left out.

        Raises:
            InvalidError: not text, or not possible in an environment variable.
        """
        env = check_environment(env_dict, "env_dict")
        return Secret(SecretReference(SecretGetOrCreateRequest(env_dict=env), env=env))

    @staticmethod
    def from_local_environ(env_keys: list[str]) -> Secret:
        """A secret with variables of this process.

        Args:
            env_keys: their names.

        Raises:
            InvalidError: one is not set.
        """
        missing = [key for key in env_keys if key not in os.environ]
        if missing:
            raise InvalidError(f"{', '.join(missing)} not set in the environment of this process")
        return Secret.from_dict({key: os.environ[key] for key in env_keys})

    @staticmethod
    def from_name(
        name: str,
        *,
        environment_name: str | None = None,
        required_keys: Collection[str] = (),
        client: BaseClient | None = None,
    ) -> Secret:
        """A secret that the server holds under a name. It is looked up when it is used.

        Args:
            name: of the secret.
            environment_name: the environment it is in.
            required_keys: names of variables that it must have.
            client: whose secret; that of the sandbox it is used for if not given.

        Raises:
            InvalidError: `required_keys` is no list.
        """
        check_list("required_keys", required_keys, "names")
        request = SecretGetOrCreateRequest(
            deployment_name=name,
            environment_name=environment_name or "",
            required_keys=list(required_keys),
        )
        return Secret(SecretReference(request, client))

    @dual
    async def hydrate(self, client: BaseClient | None = None) -> Secret:
        """Look it up, or send it, now.

        Raises:
            NotFoundError: there is none of that name.
            InvalidError: it lacks required keys.
        """
        await self.reference.id(client or await default_client())
        return self

    def __repr__(self) -> str:
        reference = self.reference
        if reference.env is not None:
            return f"Secret.from_dict([{', '.join(reference.env)}])"  # never the values
        return f"Secret.from_name({reference.name!r})"


def check_secrets(secrets: Collection[Secret] | None) -> Collection[Secret]:
    """The secrets of a command or a sandbox.

    Raises:
        InvalidError: they are not a list of secrets.
    """
    if secrets is None:
        return ()
    if isinstance(secrets, Collection) and all(isinstance(each, Secret) for each in secrets):
        return secrets
    # Not their values, which may be secret.
    raise InvalidError(
        f"secrets is {type_name(secrets)}, not a list of Secrets, as in "
        "secrets=[Secret.from_dict({...})]"
    )
