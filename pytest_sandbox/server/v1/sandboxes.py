"""The life of a sandbox on the control plane: create, find, list, tag, wait, terminate."""

from collections.abc import Iterable

from google.protobuf.empty_pb2 import Empty

from pytest_sandbox._proto import sandboxes_pb2 as pb
from pytest_sandbox._shared.async_tasks import finish

from ..model.checks import check_timeout
from ..model.ids import check_tag
from ..model.registries import App
from ..model.result import TERMINATED
from ..model.sandbox import Box
from ..model.state import State
from ..rpc.dispatch import Call, once
from ..rpc.errors import not_found, precondition

#: Sandboxes in one page of a listing.
PAGE = 100


class Sandboxes:
    """The sandbox RPCs."""

    def __init__(self, state: State) -> None:
        self._state = state

    @once
    async def SandboxCreate(
        self, request: pb.SandboxCreateRequest, call: Call
    ) -> pb.SandboxCreateResponse:
        """Create a sandbox; it runs when this returns.

        Two entries of initial metadata spare a client that knows them two further calls:
        `x-sandbox-task-id` and `x-sandbox-router-jwt`.
        """
        app = self._state.apps.get(request.app_id)
        definition, tags = request.definition, _tags(request.tags)
        image, spec = self._state.creation.specify(definition, tags)
        box = await self._state.creation.create(app, definition, tags, image, spec)
        call.initial_metadata = box.introduction
        return pb.SandboxCreateResponse(
            sandbox_id=box.id, metadata=pb.SandboxHandleMetadata(app_id=app.id)
        )

    async def SandboxGetTaskId(
        self, request: pb.SandboxGetTaskIdRequest, call: Call
    ) -> pb.SandboxGetTaskIdResponse:
        """The task of a sandbox, and its result once it has one."""
        box = self._state.boxes.get(request.sandbox_id)
        return pb.SandboxGetTaskIdResponse(task_id=box.task_id, task_result=box.result)

    async def SandboxWait(
        self, request: pb.SandboxWaitRequest, call: Call
    ) -> pb.SandboxWaitResponse:
        """How a sandbox ended; an empty result if it still runs after `timeout` seconds."""
        box = self._state.boxes.get(request.sandbox_id)
        check_timeout(request.timeout)
        return pb.SandboxWaitResponse(
            result=await box.wait(request.timeout), metadata=_metadata(box)
        )

    async def SandboxTerminate(
        self, request: pb.SandboxTerminateRequest, call: Call
    ) -> pb.SandboxTerminateResponse:
        """End a sandbox, and return when nothing of it is left."""
        box = self._state.boxes.get(request.sandbox_id)
        existing = box.result
        await finish(box.end(TERMINATED))
        return pb.SandboxTerminateResponse(existing_result=existing)

    async def SandboxList(
        self, request: pb.SandboxListRequest, call: Call
    ) -> pb.SandboxListResponse:
        """A page of sandboxes, the newest first, created before `before_timestamp` if given."""
        tags = _tags(request.tags)
        chosen = [
            box
            for box in self._candidates(request)
            if (request.include_finished or box.result is None)
            and (not request.before_timestamp or box.created_at < request.before_timestamp)
            and tags.items() <= box.tags.items()
        ]
        chosen.sort(key=lambda box: box.created_at, reverse=True)
        return pb.SandboxListResponse(sandboxes=[_info(box) for box in chosen[:PAGE]])

    def _candidates(self, request: pb.SandboxListRequest) -> Iterable[Box]:
        boxes = self._state.boxes.all()
        if request.app_id:
            app = self._state.apps.get(request.app_id)
            return (box for box in boxes if box.app_id == app.id)
        environment = self._state.apps.environment(request.environment_name)
        return (box for box in boxes if self._state.apps.get(box.app_id).environment == environment)

    async def SandboxTagsGet(
        self, request: pb.SandboxTagsGetRequest, call: Call
    ) -> pb.SandboxTagsGetResponse:
        """The tags of a sandbox."""
        return pb.SandboxTagsGetResponse(
            tags=_tag_messages(self._state.boxes.get(request.sandbox_id))
        )

    async def SandboxTagsSet(self, request: pb.SandboxTagsSetRequest, call: Call) -> Empty:
        """Replace all tags of a sandbox."""
        box = self._state.boxes.get(request.sandbox_id)
        box.tags = _tags(request.tags)
        return Empty()

    async def SandboxGetFromName(
        self, request: pb.SandboxGetFromNameRequest, call: Call
    ) -> pb.SandboxGetFromNameResponse:
        """The running sandbox of a name, or the latest finished one if that is asked for."""
        environment = self._state.apps.environment(request.environment_name)
        app = self._state.apps.deployed(environment, request.app_name)
        if app is None:
            raise not_found("App", request.app_name)
        box = self._state.boxes.named(app.id, request.sandbox_name)
        if box is None and request.include_terminated:
            box = self._latest(app, request.sandbox_name)
        if box is None:
            raise not_found("Sandbox", request.sandbox_name)
        return pb.SandboxGetFromNameResponse(sandbox_id=box.id, metadata=_metadata(box))

    def _latest(self, app: App, name: str) -> Box | None:
        boxes = self._state.boxes.all()
        named = [box for box in boxes if (box.app_id, box.name) == (app.id, name)]
        return max(named, key=lambda box: box.created_at, default=None)

    async def SandboxStdinWrite(
        self, request: pb.SandboxStdinWriteRequest, call: Call
    ) -> pb.SandboxStdinWriteResponse:
        """Write to the main process; an index that was seen before is dropped."""
        box = self._state.boxes.get(request.sandbox_id)
        if box.result is not None:
            # An end alone is fine: some clients send data and end as two calls.
            if request.input:
                raise precondition(f"Sandbox {box.id!r} has finished: nothing reads its input")
            return pb.SandboxStdinWriteResponse()
        with box.lifetime.activity():
            await box.stdin.write_index(request.index, request.input, request.eof)
        return pb.SandboxStdinWriteResponse()


def _tags(messages: Iterable[pb.SandboxTag]) -> dict[str, str]:
    tags = {tag.tag_name: tag.tag_value for tag in messages}
    for name, value in tags.items():
        check_tag(name, value)
    return tags


def _tag_messages(box: Box) -> list[pb.SandboxTag]:
    return [pb.SandboxTag(tag_name=name, tag_value=value) for name, value in box.tags.items()]


def _metadata(box: Box) -> pb.SandboxHandleMetadata:
    return pb.SandboxHandleMetadata(result=box.result, app_id=box.app_id)


def _info(box: Box) -> pb.SandboxInfo:
    definition = box.definition
    return pb.SandboxInfo(
        id=box.id,
        created_at=box.created_at,
        task_info=pb.TaskInfo(
            id=box.task_id,
            started_at=box.created_at,
            finished_at=box.finished_at,
            result=box.result,
            sandbox_id=box.id,
        ),
        app_id=box.app_id,
        tags=_tag_messages(box),
        name=box.name,
        image_id=box.image.id,
        timeout_secs=definition.timeout_secs,
        idle_timeout_secs=(
            definition.idle_timeout_secs if definition.HasField("idle_timeout_secs") else None
        ),
        metadata=_metadata(box),
    )
