"""Secrets by name, as `Secret.objects`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

from pytest_sandbox._proto.common_pb2 import (
    OBJECT_CREATION_TYPE_CREATE_FAIL_IF_EXISTS,
    OBJECT_CREATION_TYPE_CREATE_IF_MISSING,
    ListPagination,
)
from pytest_sandbox._proto.secrets_pb2 import (
    SecretDeleteRequest,
    SecretGetOrCreateRequest,
    SecretGetOrCreateResponse,
    SecretListRequest,
)

from ..default_client import default_client
from ..exceptions import InvalidError, NotFoundError
from ..transport.dual import dual
from ..validation import check_environment, check_name
from ..volume_info import timestamp
from .reference import SecretReference

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from ..base_client import BaseClient

__tracebackhide__ = True  # a failing test shows the caller's line, not these

S = TypeVar("S")

#: Secrets in one page of a listing.
_PAGE = 100


class SecretObjects(Generic[S]):
    """Makes, lists and deletes the secrets that a server holds.

    Args:
        made: makes a secret of what finds it.
    """

    def __init__(self, made: Callable[[SecretReference], S]) -> None:
        self._made = made

    @dual
    async def create(
        self,
        name: str,
        env_dict: dict[str, str],
        *,
        allow_existing: bool = False,
        environment_name: str | None = None,
        client: BaseClient | None = None,
    ) -> None:
        """Make a secret.

        Args:
            name: of the secret.
            env_dict: names and values of its variables.
            allow_existing: do nothing if it exists; its variables stay as they are.
            environment_name: the environment it is to be in.
            client: whose secret; the default client's if not given.

        Raises:
            AlreadyExistsError: there is one.
            InvalidError: that cannot be a name, or a variable.
        """
        check_name(name, "Secret")
        env = check_environment(env_dict, "env_dict")
        client = client or await default_client()
        client.secret_values.update(env.values())
        request = SecretGetOrCreateRequest(
            deployment_name=name,
            environment_name=environment_name or "",
            env_dict=env,
            object_creation_type=OBJECT_CREATION_TYPE_CREATE_IF_MISSING
            if allow_existing
            else OBJECT_CREATION_TYPE_CREATE_FAIL_IF_EXISTS,
        )
        await client.calls.control(lambda link: link.control.SecretGetOrCreate, request)

    @dual
    async def delete(
        self,
        name: str,
        *,
        allow_missing: bool = False,
        environment_name: str | None = None,
        client: BaseClient | None = None,
    ) -> None:
        """Delete a secret; sandboxes that have its variables have them still.

        Args:
            name: of the secret.
            allow_missing: do nothing if it does not exist.
            environment_name: the environment it is in.
            client: whose secret; the default client's if not given.

        Raises:
            NotFoundError: there is none.
        """
        client = client or await default_client()
        request = SecretGetOrCreateRequest(
            deployment_name=name, environment_name=environment_name or ""
        )
        try:
            secret_id = await SecretReference(request).id(client)
        except NotFoundError:
            if allow_missing:
                return
            raise
        deletion = SecretDeleteRequest(secret_id=secret_id)
        await client.calls.control(lambda link: link.control.SecretDelete, deletion)

    @dual
    async def list(
        self,
        *,
        max_objects: int | None = None,
        created_before: datetime | str | None = None,
        environment_name: str = "",
        client: BaseClient | None = None,
    ) -> list[S]:
        """The secrets with a name, the newest first.

        Args:
            max_objects: how many at most.
            created_before: those made before that time, or the beginning of that day, as
                ISO 8601 has it.
            environment_name: the environment they are in.
            client: whose secrets; the default client's if not given.

        Raises:
            InvalidError: a negative number, or something that is no time.
        """
        if max_objects is not None and max_objects < 0:
            raise InvalidError(f"max_objects={max_objects!r} is negative")
        client = client or await default_client()
        found: list[S] = []
        before = timestamp(created_before)
        while max_objects is None or len(found) < max_objects:
            pagination = ListPagination(max_objects=_PAGE, created_before=before)
            request = SecretListRequest(environment_name=environment_name, pagination=pagination)
            page = await client.calls.control(lambda link: link.control.SecretList, request)
            for item in page.items:
                known = SecretGetOrCreateResponse(secret_id=item.secret_id, metadata=item.metadata)
                lookup = SecretGetOrCreateRequest(
                    deployment_name=item.label, environment_name=environment_name
                )
                found.append(self._made(SecretReference(lookup, client, known=known)))
            if len(page.items) < _PAGE:
                break
            before = page.items[-1].metadata.creation_info.created_at
        return found[:max_objects]
