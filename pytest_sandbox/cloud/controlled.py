"""Calls of the control plane, made at Modal in the place of our client.

Most go on as they are. What differs: sandboxes get their bounds and the tag of the run; the tokens
of command routers stay in this process; and what only this machine has is refused.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from grpclib import GRPCError, Status
from grpclib.client import UnaryStreamMethod, UnaryUnaryMethod

from pytest_sandbox._proto.apps_pb2 import EnvironmentGetOrCreateRequest
from pytest_sandbox._proto.common_pb2 import GenericResult
from pytest_sandbox._proto.sandboxes_pb2 import SandboxGetTaskIdRequest

from .hints import explained
from .live import RUN_TAG
from .local_only import refuse_local_image
from .logs import fetched
from .methods import control_methods
from .sandboxes import CloudSandbox, is_second
from .time_left import time_left

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from pytest_sandbox.server import RouterTokens, ServedCall

    from .control import ControlPlane
    from .methods import Method
    from .routes import Routes
    from .sandboxes import CloudSandboxes
    from .warnings_of_modal import CloudWarnings

#: Metadata: the name of the caller of a call.
_CALLER = "x-sandbox-caller"
_ENDINGS = {
    GenericResult.GENERIC_STATUS_TERMINATED: "terminated",
    GenericResult.GENERIC_STATUS_TIMEOUT: "timeout reached",
    GenericResult.GENERIC_STATUS_IDLE_TIMEOUT: "idle_timeout reached",
}


class ControlledServicer:
    """The RPCs of the control plane.

    Args:
        control: Modal.
        sandboxes: of this run.
        routes: where the command routers are.
        tokens: that tests get for them.
        warnings: for the callers.
        lifetime: seconds that a sandbox may live at most.
    """

    def __init__(
        self,
        control: ControlPlane,
        sandboxes: CloudSandboxes,
        routes: Routes,
        tokens: RouterTokens,
        warnings: CloudWarnings,
        lifetime: int,
    ) -> None:
        self._control = control
        self._sandboxes = sandboxes
        self._routes = routes
        self._tokens = tokens
        self._warnings = warnings
        self._lifetime = lifetime

    def __getattr__(self, rpc: str) -> Callable[..., Any]:
        """The handler of an RPC that goes on as it is."""
        method = control_methods().get(rpc)
        if isinstance(method, UnaryUnaryMethod):
            return self._unary(method)
        if isinstance(method, UnaryStreamMethod):
            return self._answers(method)
        raise AttributeError(rpc)

    # Sandboxes

    async def SandboxCreate(self, request: Any, call: ServedCall) -> Any:
        """Create a sandbox by the first version of the API."""
        self._bound(request, call)
        response = await self._creating("SandboxCreate", request, call)
        self._sandboxes.begun(self._new(request, response.sandbox_id, ""))
        return response

    async def SandboxCreateV2(self, request: Any, call: ServedCall) -> Any:
        """Create a sandbox by the second version."""
        self._bound(request, call)
        response = await self._creating("SandboxCreateV2", request, call)
        self._control.sandbox_tokens[response.sandbox_id] = response.sandbox_token
        self._sandboxes.begun(self._new(request, response.sandbox_id, response.task_id))
        response.sandbox_token = ""
        self._hide_access(response)
        return response

    async def SandboxRestore(self, request: Any, call: ServedCall) -> Any:
        """Create a sandbox from a snapshot by the first version."""
        response = await self._creating("SandboxRestore", request, call)
        self._sandboxes.begun(CloudSandbox(response.sandbox_id, second=False))
        return response

    async def SandboxRestoreV2(self, request: Any, call: ServedCall) -> Any:
        """Create a sandbox from a snapshot by the second version."""
        response = await self._creating("SandboxRestoreV2", request, call)
        self._sandboxes.begun(
            CloudSandbox(response.sandbox_id, second=True, task_id=response.task_id)
        )
        self._hide_access(response)
        return response

    async def SandboxTerminate(self, request: Any, call: ServedCall) -> Any:
        """End a sandbox."""
        # Some callers know nothing of versions.
        rpc = "SandboxTerminateV2" if is_second(request.sandbox_id) else "SandboxTerminate"
        response = await self._make(rpc, request, call)
        self._sandboxes.over(request.sandbox_id, "terminated")
        return response

    SandboxTerminateV2 = SandboxTerminate

    async def SandboxWait(self, request: Any, call: ServedCall) -> Any:
        """Wait for the end of a sandbox."""
        response = await self._make(call.rpc, request, call)
        if response.result.status:
            result = response.result
            code = f"exited with code {result.exitcode}"
            how = _ENDINGS.get(result.status) or result.exception or code
            self._sandboxes.over(request.sandbox_id, how)
        return response

    SandboxWaitV2 = SandboxWait

    async def SandboxGetTaskId(self, request: Any, call: ServedCall) -> Any:
        """The id of the task of a sandbox."""
        response = await self._make(call.rpc, request, call)
        self._sandboxes.has_task(request.sandbox_id, response.task_id)
        return response

    SandboxGetTaskIdV2 = SandboxGetTaskId

    # Tags

    async def SandboxTagsSet(self, request: Any, call: ServedCall) -> Any:
        """Set the tags of a sandbox, which are all that it has then."""
        request.tags.append(self._sandboxes.tag)
        return await self._make(call.rpc, request, call)

    SandboxTagsSetV2 = SandboxTagsSet

    async def SandboxTagsGet(self, request: Any, call: ServedCall) -> Any:
        """The tags of a sandbox."""
        response = await self._make(call.rpc, request, call)
        _hide_tag(response.tags)
        return response

    SandboxTagsGetV2 = SandboxTagsGet

    async def SandboxList(self, request: Any, call: ServedCall) -> Any:
        """Sandboxes of both versions, which one call of Modal lists."""
        response = await self._make("SandboxListV2", request, call)
        for sandbox in response.sandboxes:
            _hide_tag(sandbox.tags)
        return response

    SandboxListV2 = SandboxList

    # Command routers

    async def TaskGetCommandRouterAccess(self, request: Any, call: ServedCall) -> Any:
        """A token for the commands of a task."""
        response = await self._make("TaskGetCommandRouterAccess", request, call)
        self._routes.know(request.task_id, response.url, response.jwt)
        response.jwt, response.url = self._tokens.issue(request.task_id), ""
        return response

    async def SandboxGetCommandRouterAccess(self, request: Any, call: ServedCall) -> Any:
        """A token for the commands of a sandbox."""
        response = await self._make("SandboxGetCommandRouterAccess", request, call)
        task_id = request.task_id or await self._task_of(request.sandbox_id)
        self._routes.know(task_id, response.url, response.jwt, second=request.sandbox_id)
        response.jwt, response.url = self._tokens.issue(task_id), ""
        return response

    # Images

    async def ImageGetOrCreate(self, request: Any, call: ServedCall) -> Any:
        """Build an image, unless it is there."""
        refuse_local_image(request.image)
        environment = self._control.settings.environment
        try:
            version = request.builder_version or await self._control.builder_version()
        except GRPCError as error:
            asked = EnvironmentGetOrCreateRequest(deployment_name=environment)
            raise explained(
                "EnvironmentGetOrCreate", asked, error, self._control.settings
            ) from None
        request.builder_version = version
        return await self._make("ImageGetOrCreate", request, call)

    # Lists

    async def AppFetchLogs(self, request: Any, call: ServedCall) -> Any:
        """Lines of the log of a sandbox, or of an app."""
        if request.sandbox_id and is_second(request.sandbox_id):
            request.task_id = await self._task_of(request.sandbox_id)
            request.sandbox_id = ""
        # Each is a call of its own, and not a repeated one.
        return await fetched(request, lambda asked: self._control.ask("AppFetchLogs", asked))

    async def SecretList(self, request: Any, call: ServedCall) -> Any:
        """Secrets with a name."""
        # Modal's clients always say a time; none would be the year 1970.
        request.pagination.created_before = request.pagination.created_before or time.time()
        return await self._make(call.rpc, request, call)

    VolumeList = SecretList

    # What all of them need

    def _unary(self, method: Method) -> Callable[..., Any]:
        async def handle(request: Any, call: ServedCall) -> Any:
            return await self._make(call.rpc, request, call)

        return handle

    def _answers(self, method: Method) -> Callable[..., Any]:
        async def handle(request: Any, call: ServedCall) -> AsyncGenerator[Any, None]:
            try:
                async for message in self._control.stream(
                    call.rpc, request, timeout=time_left(call), caller=call.header(_CALLER)
                ):
                    yield message
            except GRPCError as error:
                raise explained(call.rpc, request, error, self._control.settings) from None

        return handle

    async def _make(self, rpc: str, request: Any, call: ServedCall) -> Any:
        environment = self._control.settings.environment
        if environment and "environment_name" in request.DESCRIPTOR.fields_by_name:
            request.environment_name = request.environment_name or environment
        caller = call.header(_CALLER)
        try:
            response = await self._control.call(
                rpc, request, call.metadata, timeout=time_left(call), caller=caller
            )
        except GRPCError as error:
            raise explained(rpc, request, error, self._control.settings) from None
        call.initial_metadata = self._warnings.metadata(caller)
        return response

    async def _creating(self, rpc: str, request: Any, call: ServedCall) -> Any:
        try:
            return await self._make(rpc, request, call)
        except GRPCError as error:
            if error.status not in _NOTHING_MADE:
                self._sandboxes.given_up()
            raise
        except BaseException:  # cancelled
            self._sandboxes.given_up()
            raise

    def _bound(self, request: Any, call: ServedCall) -> None:
        """Bound the life of a sandbox that is to be created, and tag it."""
        definition = request.definition
        asked = definition.timeout_secs
        if not 0 < asked <= self._lifetime:
            if asked:
                self._warnings.add(
                    call.header(_CALLER),
                    f"timeout={asked} was cut to {self._lifetime} s, the most that a sandbox may "
                    "live in Modal's cloud: raise sandbox_cloud_lifetime in the ini file",
                )
            definition.timeout_secs = self._lifetime
        if all(tag.tag_name != RUN_TAG for tag in request.tags):
            request.tags.append(self._sandboxes.tag)

    def _new(self, request: Any, sandbox_id: str, task_id: str) -> CloudSandbox:
        definition = request.definition
        return CloudSandbox(
            sandbox_id,
            second=is_second(sandbox_id),
            image=definition.image_id,
            name=definition.name,
            timeout=definition.timeout_secs,
            task_id=task_id,
        )

    def _hide_access(self, response: Any) -> None:
        """Put a token of ours in the place of Modal's."""
        access = response.command_router_access
        if access.jwt and response.task_id:
            self._routes.know(response.task_id, access.url, access.jwt, second=response.sandbox_id)
            access.jwt, access.url = self._tokens.issue(response.task_id), ""
        else:
            response.ClearField("command_router_access")

    async def _task_of(self, sandbox_id: str) -> str:
        known = next((each for each in self._sandboxes.all() if each.id == sandbox_id), None)
        if known is not None and known.task_id:
            return known.task_id
        request = SandboxGetTaskIdRequest(sandbox_id=sandbox_id)
        answer = await self._control.ask("SandboxGetTaskIdV2", request)
        if not answer.task_id:
            raise GRPCError(Status.UNAVAILABLE, f"Sandbox {sandbox_id!r} has not started yet")
        self._sandboxes.has_task(sandbox_id, answer.task_id)
        return str(answer.task_id)


#: With these, nothing was created.
_NOTHING_MADE = frozenset(
    {
        Status.INVALID_ARGUMENT,
        Status.NOT_FOUND,
        Status.ALREADY_EXISTS,
        Status.PERMISSION_DENIED,
        Status.RESOURCE_EXHAUSTED,
        Status.FAILED_PRECONDITION,
        Status.UNIMPLEMENTED,
        Status.UNAUTHENTICATED,
    }
)


def _hide_tag(tags: Any) -> None:
    """Take the tag of the run out, which no test has set."""
    for index in reversed(range(len(tags))):
        if tags[index].tag_name == RUN_TAG:
            del tags[index]
