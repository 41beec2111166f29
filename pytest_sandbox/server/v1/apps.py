"""Apps, environments and the session of a client."""

import asyncio

from google.protobuf.empty_pb2 import Empty

from pytest_sandbox._proto import apps_pb2 as pb
from pytest_sandbox._proto import common_pb2

from ..model.apps import DEFAULT_ENVIRONMENT, NO_ENVIRONMENT, AppRecord
from ..model.ids import check_name
from ..model.result import TERMINATED
from ..model.state import IMAGE_BUILDER_VERSION, State
from ..rpc.call import ServedCall
from ..rpc.errors import already_exists, invalid, not_found, unimplemented
from ..rpc.handlers import once

LOOKUP = common_pb2.OBJECT_CREATION_TYPE_UNSPECIFIED
CREATE_IF_MISSING = common_pb2.OBJECT_CREATION_TYPE_CREATE_IF_MISSING
CREATE_FAIL_IF_EXISTS = common_pb2.OBJECT_CREATION_TYPE_CREATE_FAIL_IF_EXISTS
#: What an app can have that is none of a sandbox.
_FUNCTIONS = {
    "function_ids": "@app.function",
    "class_ids": "@app.cls",
    "definition_ids": "@app.function",
}


class AppServicer:
    """The RPCs of apps, environments and client sessions.

    Apps group sandboxes. The sandboxes of an ephemeral app end when its client disconnects.
    """

    def __init__(self, state: State) -> None:
        self._state = state

    async def ClientHello(self, request: Empty, call: ServedCall) -> pb.ClientHelloResponse:
        """The first call of a Python client."""
        return pb.ClientHelloResponse(image_builder_version=IMAGE_BUILDER_VERSION)

    async def AuthTokenGet(
        self, request: pb.AuthTokenGetRequest, call: ServedCall
    ) -> pb.AuthTokenGetResponse:
        """A token that clients send with each call, and of which this server ignores the rest."""
        return pb.AuthTokenGetResponse(token=self._state.tokens.session())

    async def EnvironmentGetOrCreate(
        self, request: pb.EnvironmentGetOrCreateRequest, call: ServedCall
    ) -> pb.EnvironmentGetOrCreateResponse:
        """An environment by name; no name means the default one."""
        name = request.deployment_name or DEFAULT_ENVIRONMENT
        creation = request.object_creation_type
        if not self._state.apps.has_environment(name):
            if creation == LOOKUP:
                raise not_found("Environment", name, NO_ENVIRONMENT)
            check_name(name, "environment")
        elif creation == CREATE_FAIL_IF_EXISTS:
            raise already_exists(f"Environment {name!r} already exists")
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
        check_name(request.name, "environment")
        if self._state.apps.has_environment(request.name):
            raise already_exists(f"Environment {request.name!r} already exists")
        self._state.apps.environment_id(request.name)
        return Empty()

    async def EnvironmentList(self, request: Empty, call: ServedCall) -> pb.EnvironmentListResponse:
        """All environments."""
        environments = self._state.apps.environments().items()
        return pb.EnvironmentListResponse(
            items=[
                pb.EnvironmentListItem(
                    name=name, environment_id=environment_id, default=name == DEFAULT_ENVIRONMENT
                )
                for name, environment_id in environments
            ]
        )

    @once
    async def AppGetOrCreate(
        self, request: pb.AppGetOrCreateRequest, call: ServedCall
    ) -> pb.AppGetOrCreateResponse:
        """A deployed app by name."""
        environment = self._state.apps.environment(request.environment_name)
        app = self._state.apps.deployed(environment, request.app_name)
        creation = request.object_creation_type
        if creation not in (LOOKUP, CREATE_IF_MISSING, CREATE_FAIL_IF_EXISTS):
            raise invalid(f"an app cannot have object_creation_type {creation}")
        if app is None:
            if creation == LOOKUP:
                raise not_found("App", request.app_name, "create_if_missing=True makes it")
            check_name(request.app_name, "app")
            app = self._state.apps.add(request.app_name, environment, pb.APP_STATE_DEPLOYED)
        elif creation == CREATE_FAIL_IF_EXISTS:
            raise already_exists(f"App {request.app_name!r} already exists")
        return pb.AppGetOrCreateResponse(app_id=app.id, handle_metadata=_metadata(app))

    @once
    async def AppCreate(
        self, request: pb.AppCreateRequest, call: ServedCall
    ) -> pb.AppCreateResponse:
        """An app that cannot be found by name, as `app.run()` makes one."""
        environment = self._state.apps.environment(request.environment_name)
        state = request.app_state or pb.APP_STATE_EPHEMERAL
        app = self._state.apps.add(request.description, environment, state)
        return pb.AppCreateResponse(app_id=app.id)

    async def AppPublish(
        self, request: pb.AppPublishRequest, call: ServedCall
    ) -> pb.AppPublishResponse:
        """Change the name and state of an app; functions and classes are refused."""
        app = self._state.apps.get(request.app_id)
        for field, argument in _FUNCTIONS.items():
            if getattr(request, field):
                raise invalid(f"an app with {argument}: this server runs sandboxes only")
        if request.name:
            check_name(request.name, "app")
            app.name = request.name
        if request.app_state:
            app.state = request.app_state
        return pb.AppPublishResponse(deployed_at=self._state.clock.now())

    async def AppHeartbeat(self, request: pb.AppHeartbeatRequest, call: ServedCall) -> Empty:
        """Do nothing: an app lives until its client disconnects, or the server ends."""
        self._state.apps.get(request.app_id)
        return Empty()

    async def AppClientDisconnect(
        self, request: pb.AppClientDisconnectRequest, call: ServedCall
    ) -> Empty:
        """Stop the app of a client that disconnects if it is ephemeral, and end its sandboxes."""
        app = self._state.apps.get(request.app_id)
        if app.state in (pb.APP_STATE_EPHEMERAL, pb.APP_STATE_INITIALIZING):
            app.state = pb.APP_STATE_STOPPED
            running = [
                sandbox for sandbox in self._state.sandboxes.running() if sandbox.app_id == app.id
            ]
            await asyncio.gather(*(sandbox.end(TERMINATED) for sandbox in running))
            self._state.log_news.tell()
        return Empty()


def _metadata(app: AppRecord) -> pb.AppHandleMetadata:
    return pb.AppHandleMetadata(
        description=app.name,
        app_id=app.id,
        environment_name=app.environment,
        lifecycle=pb.AppLifecycle(app_state=app.state, created_at=app.created_at),
    )
