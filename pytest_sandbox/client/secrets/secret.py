"""Secrets: environment variables that the server stores."""

from __future__ import annotations

import os
from collections.abc import Collection
from typing import TYPE_CHECKING

from pytest_sandbox._proto.secrets_pb2 import SecretGetOrCreateRequest
from pytest_sandbox._shared.type_names import type_name

from ..default_client import default_client
from ..exceptions import InvalidError
from ..transport.dual import dual
from ..validation import check_environment, check_list
from .reference import SecretReference

if TYPE_CHECKING:
    from ..base_client import BaseClient

__tracebackhide__ = True  # a failing test shows the caller's line, not these


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
