"""Environments: what apps, secrets, volumes and proxies belong to."""

import asyncio

from google.protobuf.empty_pb2 import Empty

from pytest_sandbox._proto import apps_pb2 as pb

from ..model.apps import DEFAULT_ENVIRONMENT, NO_ENVIRONMENT, EnvironmentRecord
from ..model.ids import check_name
from ..model.state import IMAGE_BUILDER_VERSION, State
from ..rpc.call import ServedCall
from ..rpc.errors import already_exists, not_found, precondition, unimplemented
from ..rpc.handlers import once
from .apps import CREATE_FAIL_IF_EXISTS, LOOKUP, stop_app

#: What an update cannot change, as `modal environment update` and `modal.Environment` name it.
_REFUSED = ("max_concurrent_tasks", "max_concurrent_gpus", "block_unauthenticated_resources")


class EnvironmentServicer:
    """The RPCs of environments."""

    def __init__(self, state: State) -> None:
        self._state = state
        # Held while an environment is made, renamed or deleted: the latter take a while, and a
        # name must not become another's meanwhile.
        self._changes = asyncio.Lock()

    async def EnvironmentGetOrCreate(
        self, request: pb.EnvironmentGetOrCreateRequest, call: ServedCall
    ) -> pb.EnvironmentGetOrCreateResponse:
        """An environment by name; no name means the default one."""
        name = request.deployment_name or DEFAULT_ENVIRONMENT
        creation = request.object_creation_type
        if not self._state.apps.has_environment(name) or creation == CREATE_FAIL_IF_EXISTS:
            if creation == LOOKUP:
                raise not_found("Environment", name, NO_ENVIRONMENT)
            await self._make(name, new=creation == CREATE_FAIL_IF_EXISTS)
        return pb.EnvironmentGetOrCreateResponse(
            environment_id=self._state.apps.environment_id(name),
            metadata=pb.EnvironmentMetadata(
                name=name,
                settings=pb.EnvironmentSettings(image_builder_version=IMAGE_BUILDER_VERSION),
            ),
        )

    @once
    async def EnvironmentCreate(
        self, request: pb.EnvironmentCreateRequest, call: ServedCall
    ) -> Empty:
        """A new environment."""
        if request.is_managed or request.default_member_role_str or request.default_member_role:
            raise unimplemented(
                "restricted and default_role of an environment are not implemented by "
                "pytest-sandbox: it has no members; create it without them"
            )
        await self._make(request.name, new=True)
        return Empty()

    async def EnvironmentList(self, request: Empty, call: ServedCall) -> pb.EnvironmentListResponse:
        """All environments."""
        environments = self._state.apps.environments()
        return pb.EnvironmentListResponse(items=[_item(each) for each in environments])

    @once
    async def EnvironmentUpdate(
        self, request: pb.EnvironmentUpdateRequest, call: ServedCall
    ) -> pb.EnvironmentListItem:
        """Change the name of an environment, and what addresses of web pages would end in."""
        for field in _REFUSED:
            if request.HasField(field):
                raise unimplemented(f"{field} of an environment is not implemented: leave it out")
        if request.image_builder_version not in ("", IMAGE_BUILDER_VERSION):
            raise unimplemented(
                f"image_builder_version={request.image_builder_version!r} of an environment is not "
                f"implemented by pytest-sandbox: all of them have {IMAGE_BUILDER_VERSION!r}"
            )
        async with self._changes:
            environment = self._environment(request.current_name)
            if request.HasField("name") and request.name.value != environment.name:
                await self._rename(environment, request.name.value)
            if request.HasField("web_suffix"):
                environment.web_suffix = request.web_suffix.value
            return _item(environment)

    @once
    async def EnvironmentDelete(
        self, request: pb.EnvironmentDeleteRequest, call: ServedCall
    ) -> Empty:
        """Delete an environment, and all that belongs to it; its sandboxes end."""
        async with self._changes:
            environment = self._environment(request.name)
            if environment.name == DEFAULT_ENVIRONMENT:
                raise precondition(f"the default environment {DEFAULT_ENVIRONMENT!r} stays")
            await self._delete(environment)
        return Empty()

    def _environment(self, name: str) -> EnvironmentRecord:
        name = self._state.apps.environment(name)
        return next(each for each in self._state.apps.environments() if each.name == name)

    async def _make(self, name: str, *, new: bool) -> None:
        """Make an environment, unless it is there; if it must be `new`, that is refused."""
        check_name(name, "environment")
        async with self._changes:
            if new and self._state.apps.has_environment(name):
                raise already_exists(f"Environment {name!r} already exists")
            self._state.apps.environment_id(name)

    async def _delete(self, environment: EnvironmentRecord) -> None:
        from .volumes import forget_volume  # late: few programs delete one, and many look one up

        state = self._state
        for app in state.apps.of_environment(environment.name):
            await stop_app(state, app)
        for secret in state.secrets.of_environment(environment.name):
            state.secrets.remove(secret.id)
        async with state.named_volumes.lock:
            volumes = await state.named_volumes.listed(environment.name)
        for volume in volumes:
            await forget_volume(state, await state.named_volumes.use(volume.id))
        state.proxies.remove_environment(environment.name)
        state.apps.remove_environment(environment.name)

    async def _rename(self, environment: EnvironmentRecord, name: str) -> None:
        state, former = self._state, environment.name
        if former == DEFAULT_ENVIRONMENT:
            raise precondition(f"the default environment keeps its name {former!r}")
        check_name(name, "environment")
        if state.apps.has_environment(name):
            raise already_exists(f"Environment {name!r} already exists")
        async with state.named_volumes.lock:
            volumes = await state.named_volumes.listed(former)
        for volume in volumes:
            await state.named_volumes.move(
                await state.named_volumes.use(volume.id), name, volume.name
            )
        state.secrets.rename_environment(former, name)
        state.proxies.rename_environment(former, name)
        state.apps.rename_environment(former, name)


def _item(environment: EnvironmentRecord) -> pb.EnvironmentListItem:
    return pb.EnvironmentListItem(
        name=environment.name,
        environment_id=environment.id,
        webhook_suffix=environment.web_suffix,
        default=environment.name == DEFAULT_ENVIRONMENT,
    )
