"""Sandboxes on the control plane: create, find, list, tag, wait, terminate."""

from collections.abc import Iterable

from google.protobuf.empty_pb2 import Empty

from pytest_sandbox._proto import sandboxes_pb2 as pb
from pytest_sandbox._shared.async_tasks import finish

from ..commands.main_stdin import write_main_stdin
from ..model.apps import AppRecord
from ..model.checks import check_timeout
from ..model.creation import SandboxCreator
from ..model.result import TERMINATED
from ..model.router_access import router_metadata
from ..model.sandbox import ServedSandbox
from ..model.state import State
from ..model.tags import tag_messages, tags_of
from ..rpc.call import CALLER, ServedCall
from ..rpc.errors import not_found
from ..rpc.handlers import once

#: The most sandboxes in one page of a listing.
PAGE = 100


class SandboxServicer:
    """The sandbox RPCs."""

    def __init__(self, state: State, creator: SandboxCreator) -> None:
        self._state = state
        self._creator = creator

    @once
    async def SandboxCreate(
        self, request: pb.SandboxCreateRequest, call: ServedCall
    ) -> pb.SandboxCreateResponse:
        """Create a sandbox; it runs when this returns.

        Two entries of initial metadata save clients that know them two further calls:
        `x-sandbox-task-id` and `x-sandbox-router-jwt`.
        """
        app = self._state.apps.get(request.app_id)
        definition, tags = request.definition, tags_of(request.tags)
        image, spec = await self._creator.specify(definition, tags)
        sandbox = await self._creator.create(
            app, definition, tags, image, spec, caller=call.header(CALLER)
        )
        self._creator.prepare_another(sandbox, call)
        call.initial_metadata = router_metadata(self._state, sandbox)
        return pb.SandboxCreateResponse(
            sandbox_id=sandbox.id, metadata=pb.SandboxHandleMetadata(app_id=app.id)
        )

    async def SandboxGetTaskId(
        self, request: pb.SandboxGetTaskIdRequest, call: ServedCall
    ) -> pb.SandboxGetTaskIdResponse:
        """The task of a sandbox, and its result once it has one."""
        sandbox = self._state.sandboxes.get(request.sandbox_id)
        return pb.SandboxGetTaskIdResponse(task_id=sandbox.task_id, task_result=sandbox.result)

    async def SandboxWait(
        self, request: pb.SandboxWaitRequest, call: ServedCall
    ) -> pb.SandboxWaitResponse:
        """How a sandbox ended; an empty result if it still runs after `timeout` seconds."""
        sandbox = self._state.sandboxes.get(request.sandbox_id)
        check_timeout(request.timeout)
        return pb.SandboxWaitResponse(
            result=await sandbox.wait(request.timeout), metadata=_metadata(sandbox)
        )

    async def SandboxTerminate(
        self, request: pb.SandboxTerminateRequest, call: ServedCall
    ) -> pb.SandboxTerminateResponse:
        """End a sandbox, and return when nothing of it is left."""
        sandbox = self._state.sandboxes.get(request.sandbox_id)
        existing = sandbox.result  # before it is ended: clients ask how it had ended by itself
        await finish(sandbox.end(TERMINATED))
        return pb.SandboxTerminateResponse(existing_result=existing)

    async def SandboxList(
        self, request: pb.SandboxListRequest, call: ServedCall
    ) -> pb.SandboxListResponse:
        """A page of sandboxes, the newest first, created before `before_timestamp` if given."""
        tags = tags_of(request.tags)
        chosen = [
            sandbox
            for sandbox in self._candidates(request)
            if (request.include_finished or sandbox.result is None)
            and (not request.before_timestamp or sandbox.created_at < request.before_timestamp)
            and tags.items() <= sandbox.tags.items()
        ]
        chosen.sort(key=lambda sandbox: sandbox.created_at, reverse=True)
        return pb.SandboxListResponse(sandboxes=[_info(sandbox) for sandbox in chosen[:PAGE]])

    def _candidates(self, request: pb.SandboxListRequest) -> Iterable[ServedSandbox]:
        sandboxes = self._state.sandboxes.all()
        if request.app_id:
            app = self._state.apps.get(request.app_id)
            return (sandbox for sandbox in sandboxes if sandbox.app_id == app.id)
        environment = self._state.apps.environment(request.environment_name)
        return (
            sandbox
            for sandbox in sandboxes
            if self._state.apps.get(sandbox.app_id).environment == environment
        )

    async def SandboxTagsGet(
        self, request: pb.SandboxTagsGetRequest, call: ServedCall
    ) -> pb.SandboxTagsGetResponse:
        """The tags of a sandbox."""
        return pb.SandboxTagsGetResponse(
            tags=tag_messages(self._state.sandboxes.get(request.sandbox_id))
        )

    async def SandboxTagsSet(self, request: pb.SandboxTagsSetRequest, call: ServedCall) -> Empty:
        """Replace all tags of a sandbox."""
        sandbox = self._state.sandboxes.get(request.sandbox_id)
        sandbox.tags = tags_of(request.tags)
        return Empty()

    async def SandboxGetFromName(
        self, request: pb.SandboxGetFromNameRequest, call: ServedCall
    ) -> pb.SandboxGetFromNameResponse:
        """The running sandbox of a name, or the latest finished one if that is asked for."""
        environment = self._state.apps.environment(request.environment_name)
        app = self._state.apps.deployed(environment, request.app_name)
        if app is None:
            raise not_found("App", request.app_name)
        sandbox = self._state.sandboxes.named(app.id, request.sandbox_name)
        if sandbox is None and request.include_terminated:
            sandbox = self._latest(app, request.sandbox_name)
        if sandbox is None:
            raise not_found("Sandbox", request.sandbox_name)
        return pb.SandboxGetFromNameResponse(sandbox_id=sandbox.id, metadata=_metadata(sandbox))

    def _latest(self, app: AppRecord, name: str) -> ServedSandbox | None:
        sandboxes = self._state.sandboxes.all()
        named = [
            sandbox for sandbox in sandboxes if (sandbox.app_id, sandbox.name) == (app.id, name)
        ]
        return max(named, key=lambda sandbox: sandbox.created_at, default=None)

    async def SandboxStdinWrite(
        self, request: pb.SandboxStdinWriteRequest, call: ServedCall
    ) -> pb.SandboxStdinWriteResponse:
        """Write to the main process; an index that was seen before is dropped."""
        sandbox = self._state.sandboxes.get(request.sandbox_id)
        await write_main_stdin(
            sandbox,
            request.input,
            lambda stdin: stdin.write_index(request.index, request.input, request.eof),
        )
        return pb.SandboxStdinWriteResponse()


def _metadata(sandbox: ServedSandbox) -> pb.SandboxHandleMetadata:
    return pb.SandboxHandleMetadata(result=sandbox.result, app_id=sandbox.app_id)


def _info(sandbox: ServedSandbox) -> pb.SandboxInfo:
    definition = sandbox.definition
    return pb.SandboxInfo(
        id=sandbox.id,
        created_at=sandbox.created_at,
        task_info=pb.TaskInfo(
            id=sandbox.task_id,
            started_at=sandbox.created_at,
            finished_at=sandbox.finished_at,
            result=sandbox.result,
            sandbox_id=sandbox.id,
        ),
        app_id=sandbox.app_id,
        tags=tag_messages(sandbox),
        name=sandbox.name,
        image_id=sandbox.image.id,
        regions=definition.scheduler_placement.regions,
        timeout_secs=definition.timeout_secs,
        idle_timeout_secs=(
            definition.idle_timeout_secs if definition.HasField("idle_timeout_secs") else None
        ),
        metadata=_metadata(sandbox),
    )
