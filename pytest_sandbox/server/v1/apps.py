"""Apps and the session of a client."""

import asyncio
from collections import Counter
from collections.abc import Mapping

from google.protobuf.empty_pb2 import Empty

from pytest_sandbox._proto import apps_pb2 as pb
from pytest_sandbox._proto import common_pb2

from ..model.apps import AppRecord
from ..model.ids import check_name, check_tag
from ..model.result import TERMINATED
from ..model.state import IMAGE_BUILDER_VERSION, State
from ..rpc.call import ServedCall
from ..rpc.errors import already_exists, invalid, not_found
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
    """The RPCs of apps and client sessions.

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
        tags = _tags(request.tags)
        app = self._state.apps.add(request.description, environment, state)
        app.tags = tags
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
        app.tags.update(_tags(request.tags))
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
            await stop_app(self._state, app)
        return Empty()

    @once
    async def AppStop(self, request: pb.AppStopRequest, call: ServedCall) -> Empty:
        """Stop an app of any kind, and end its sandboxes."""
        await stop_app(self._state, self._state.apps.get(request.app_id))
        return Empty()

    async def AppList(self, request: pb.AppListRequest, call: ServedCall) -> pb.AppListResponse:
        """The apps of an environment, stopped ones too, the newest first."""
        environment = self._state.apps.environment(request.environment_name)
        running = Counter(sandbox.app_id for sandbox in self._state.sandboxes.running())
        return pb.AppListResponse(
            apps=[
                pb.AppListResponse.AppListItem(
                    app_id=app.id,
                    description=app.name,
                    state=app.state,
                    created_at=app.created_at,
                    stopped_at=app.stopped_at,
                    n_running_tasks=running[app.id],
                    name=app.name if app.state == pb.APP_STATE_DEPLOYED else "",
                    metadata=_metadata(app),
                )
                for app in self._state.apps.of_environment(environment)
            ]
        )

    async def AppGetByDeploymentName(
        self, request: pb.AppGetByDeploymentNameRequest, call: ServedCall
    ) -> pb.AppGetByDeploymentNameResponse:
        """The app that is deployed under a name, or the latest one that was; empty if none was."""
        environment = self._state.apps.environment(request.environment_name)
        app = self._state.apps.deployed(environment, request.name)
        if app is not None:
            return pb.AppGetByDeploymentNameResponse(
                app_id=app.id, environment_name=environment, lifecycle=_lifecycle(app)
            )
        for former in self._state.apps.of_environment(environment):
            if (former.name, former.state) == (request.name, pb.APP_STATE_STOPPED):
                return pb.AppGetByDeploymentNameResponse(
                    previous_app_id=former.id,
                    environment_name=environment,
                    lifecycle=_lifecycle(former),
                )
        return pb.AppGetByDeploymentNameResponse(environment_name=environment)

    async def AppGetLifecycle(
        self, request: pb.AppGetLifecycleRequest, call: ServedCall
    ) -> pb.AppGetLifecycleResponse:
        """Whether an app is deployed, ephemeral, stopped, ..., and since when."""
        app = self._state.apps.get(request.app_id)
        return pb.AppGetLifecycleResponse(lifecycle=_lifecycle(app))

    async def AppGetInfo(
        self, request: pb.AppGetInfoRequest, call: ServedCall
    ) -> pb.AppGetInfoResponse:
        """What is known of an app."""
        return pb.AppGetInfoResponse(info=_metadata(self._state.apps.get(request.app_id)))

    async def AppGetTags(
        self, request: pb.AppGetTagsRequest, call: ServedCall
    ) -> pb.AppGetTagsResponse:
        """The tags of an app."""
        return pb.AppGetTagsResponse(tags=self._state.apps.get(request.app_id).tags)

    async def AppSetTags(self, request: pb.AppSetTagsRequest, call: ServedCall) -> Empty:
        """Replace the tags of an app."""
        self._state.apps.get(request.app_id).tags = _tags(request.tags)
        return Empty()


async def stop_app(state: State, app: AppRecord) -> None:
    """Stop an app, and end its sandboxes."""
    if app.state != pb.APP_STATE_STOPPED:
        app.state, app.stopped_at = pb.APP_STATE_STOPPED, state.clock.now()
    running = [sandbox for sandbox in state.sandboxes.running() if sandbox.app_id == app.id]
    await asyncio.gather(*(sandbox.end(TERMINATED) for sandbox in running))
    state.log_news.tell()


def _tags(given: Mapping[str, str]) -> dict[str, str]:
    for name, value in given.items():
        check_tag(name, value)
    return dict(given)


def _metadata(app: AppRecord) -> pb.AppHandleMetadata:
    return pb.AppHandleMetadata(
        description=app.name,
        app_id=app.id,
        environment_name=app.environment,
        lifecycle=_lifecycle(app),
    )


def _lifecycle(app: AppRecord) -> pb.AppLifecycle:
    return pb.AppLifecycle(
        app_state=app.state, created_at=app.created_at, stopped_at=app.stopped_at
    )
