"""Secrets: environment variables that the server stores under an id."""

from google.protobuf.empty_pb2 import Empty

from pytest_sandbox._proto import common_pb2
from pytest_sandbox._proto import secrets_pb2 as pb

from ..model.apps import DEFAULT_ENVIRONMENT
from ..model.checks import check_environment
from ..model.ids import check_name
from ..model.secrets import SecretRecord
from ..model.state import State
from ..rpc.call import ServedCall
from ..rpc.errors import already_exists, invalid, not_found, precondition
from ..rpc.handlers import once

_LOOKUP = common_pb2.OBJECT_CREATION_TYPE_UNSPECIFIED
_UNNAMED = {
    common_pb2.OBJECT_CREATION_TYPE_ANONYMOUS_OWNED_BY_APP,
    common_pb2.OBJECT_CREATION_TYPE_EPHEMERAL,
}


class SecretServicer:
    """The secret RPCs."""

    def __init__(self, state: State) -> None:
        self._state = state

    @once
    async def SecretGetOrCreate(
        self, request: pb.SecretGetOrCreateRequest, call: ServedCall
    ) -> pb.SecretGetOrCreateResponse:
        """A secret by name, or a new one with the variables of the request."""
        check_environment(request.env_dict.items())
        if request.object_creation_type in _UNNAMED:
            secret = self._add("", request.environment_name or DEFAULT_ENVIRONMENT, request)
        else:
            secret = self._by_name(request)
        missing = [key for key in request.required_keys if key not in secret.env]
        if missing:
            raise precondition(f"Secret is missing key(s): {', '.join(missing)}")
        return pb.SecretGetOrCreateResponse(secret_id=secret.id, metadata=_metadata(secret))

    async def SecretList(
        self, request: pb.SecretListRequest, call: ServedCall
    ) -> pb.SecretListResponse:
        """Secrets with a name, the newest first, created before a time if one is given."""
        environment = self._state.apps.environment(request.environment_name)
        before, most = request.pagination.created_before, request.pagination.max_objects
        if most < 0:
            raise invalid(f"max_objects must not be negative, but is {most}")
        chosen = [
            secret
            for secret in self._state.secrets.of_environment(environment)
            if not before or secret.created_at < before
        ]
        return pb.SecretListResponse(
            items=[_item(secret) for secret in chosen[: most or None]], environment_name=environment
        )

    async def SecretGetInfo(
        self, request: pb.SecretGetInfoRequest, call: ServedCall
    ) -> pb.SecretGetInfoResponse:
        """What is known of a secret, but its values."""
        return pb.SecretGetInfoResponse(
            metadata=_metadata(self._state.secrets.get(request.secret_id))
        )

    async def SecretUpdate(self, request: pb.SecretUpdateRequest, call: ServedCall) -> Empty:
        """Change variables of a secret, for what is started later."""
        changes = {
            each.key: each.value if each.HasField("value") else None for each in request.updates
        }
        check_environment((name, value or "") for name, value in changes.items())
        self._state.secrets.update(request.secret_id, changes)
        return Empty()

    async def SecretDelete(self, request: pb.SecretDeleteRequest, call: ServedCall) -> Empty:
        """Forget a secret."""
        self._state.secrets.remove(request.secret_id)
        return Empty()

    def _by_name(self, request: pb.SecretGetOrCreateRequest) -> SecretRecord:
        name, creation = request.deployment_name, request.object_creation_type
        environment = self._state.apps.environment(request.environment_name)
        secret = self._state.secrets.named(environment, name)
        if secret is None and creation == _LOOKUP:
            raise not_found(
                *("Secret", name),
                "set it up in a preset (docs/modal.md), or make it with `modal secret create`",
            )
        if secret is not None and creation == common_pb2.OBJECT_CREATION_TYPE_CREATE_FAIL_IF_EXISTS:
            raise already_exists(f"Secret {name!r} already exists")
        overwrite = common_pb2.OBJECT_CREATION_TYPE_CREATE_OVERWRITE_IF_EXISTS
        if secret is None or creation == overwrite:
            check_name(name, "secret")
            secret = self._add(name, environment, request)
        return secret

    def _add(
        self, name: str, environment: str, request: pb.SecretGetOrCreateRequest
    ) -> SecretRecord:
        secret = SecretRecord(
            self._state.ids.new("st"),
            name,
            environment,
            dict(request.env_dict),
            self._state.clock.now(),
        )
        ephemeral = request.object_creation_type == common_pb2.OBJECT_CREATION_TYPE_EPHEMERAL
        self._state.secrets.add(secret, ephemeral=ephemeral)
        return secret


def _metadata(secret: SecretRecord) -> pb.SecretMetadata:
    return pb.SecretMetadata(
        name=secret.name,
        creation_info=common_pb2.CreationInfo(created_at=secret.created_at),
        keys=sorted(secret.env),
        environment_name=secret.environment,
    )


def _item(secret: SecretRecord) -> pb.SecretListItem:
    return pb.SecretListItem(
        label=secret.name,
        created_at=secret.created_at,
        environment_name=secret.environment,
        secret_id=secret.id,
        metadata=_metadata(secret),
    )
