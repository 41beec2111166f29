"""Secrets: environment variables that the server stores."""

from __future__ import annotations

import os
from collections.abc import Collection
from typing import TYPE_CHECKING, ClassVar

from pytest_sandbox._proto.secrets_pb2 import SecretGetOrCreateRequest, SecretUpdateRequest
from pytest_sandbox._shared.type_names import type_name

from ..default_client import default_client
from ..exceptions import ExecutionError, InvalidError
from ..refusals import refused
from ..transport.dual import dual
from ..validation import check_environment, check_list
from .dotenv_file import dotenv_variables
from .reference import SecretReference
from .secret_info import SecretInfo, secret_info
from .secret_objects import SecretObjects

if TYPE_CHECKING:
    from ..base_client import BaseClient

__tracebackhide__ = True  # a failing test shows the caller's line, not these


class Secret:
    """Environment variables for a sandbox or a command; see `from_dict` and `from_name`.

    Attributes:
        reference: finds it on a server; for the other classes of this package.
    """

    #: Makes, lists and deletes secrets with a name.
    objects: ClassVar[SecretObjects[Secret]]

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
    def from_dotenv(
        path: str | os.PathLike[str] | None = None,
        *,
        filename: str = ".env",
        client: BaseClient | None = None,
    ) -> Secret:
        """A secret with the variables of a file, which the package python-dotenv reads.

        Args:
            path: a file or a directory: the file of variables is looked for beside it and in the
                directories above; the working directory if not given.
            filename: its name. If there is none, the secret has no variables.
            client: whose secret; that of the sandbox it is used for if not given.

        Raises:
            ImportError: python-dotenv is not installed.
            InvalidError: a variable cannot be in an environment.
        """
        env = check_environment(dotenv_variables(path, filename), "the file")
        return Secret(SecretReference(SecretGetOrCreateRequest(env_dict=env), client, env=env))

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

    @dual
    async def info(self, *, refresh: bool = False) -> SecretInfo:
        """Information about it, without its values.

        Args:
            refresh: ask the server again; otherwise it tells of the time when it was looked up.

        Raises:
            NotFoundError: there is none of that name.
            InvalidError: it lacks required keys.
        """
        return secret_info(await self.reference.metadata(refresh=refresh))

    @dual
    async def update(self, env_dict: dict[str, str]) -> None:
        """Add variables to it, or give them other values; sandboxes that run keep the old ones.

        Args:
            env_dict: names and values.

        Raises:
            NotFoundError: there is no such secret.
            InvalidError: not text, or not possible in an environment variable.
        """
        if not isinstance(env_dict, dict) or None in env_dict.values():
            raise InvalidError(f"env_dict is {type_name(env_dict)}, not a dict of texts")
        env = check_environment(dict(env_dict), "env_dict")
        client, known = await self.reference.look_up()
        client.secret_values.update(env.values())
        updates = [SecretUpdateRequest.Update(key=name, value=env[name]) for name in env]
        request = SecretUpdateRequest(secret_id=known.secret_id, updates=updates)
        await client.calls.control(lambda link: link.control.SecretUpdate, request)

    @property
    def client(self) -> BaseClient | None:
        """The client that it is of; `None` if it is looked up where it is used."""
        return self.reference.client

    @property
    def name(self) -> str | None:
        """Its name; `None` if it has none."""
        return self.reference.name or None

    @property
    def object_id(self) -> str:
        """Its id.

        Raises:
            ExecutionError: it was not looked up yet.
        """
        for secret_id in self.reference.ids():
            return secret_id
        raise ExecutionError(f"{self!r} was not looked up yet: call hydrate()")

    get_dashboard_url = refused("Secret.get_dashboard_url", "there is no dashboard")

    def __repr__(self) -> str:
        reference = self.reference
        if reference.env is not None:
            return f"Secret.from_dict([{', '.join(reference.env)}])"  # never the values
        return f"Secret.from_name({reference.name!r})"


Secret.objects = SecretObjects(Secret)


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
