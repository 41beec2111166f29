"""Sidecars: further containers of a sandbox, by the control plane and by the command router."""

from collections.abc import Mapping

from pytest_sandbox._proto import router_pb2, sandboxes_pb2
from pytest_sandbox._proto import sandboxes_v2_pb2 as pb
from pytest_sandbox._shared.async_tasks import finish
from pytest_sandbox.engine import Capability

from ..async_helpers import start
from ..model.checks import check_timeout
from ..model.commanded import commanded
from ..model.creation import SandboxCreator
from ..model.result import TERMINATED
from ..model.sandbox import ServedSandbox
from ..model.sidecars import check_sidecar_name
from ..model.state import State
from ..networks.network import is_blocked
from ..rpc.call import ServedCall
from ..rpc.errors import invalid, unimplemented
from ..rpc.handlers import once
from .sandbox_tokens import check_sandbox_token

#: As a `TaskContainerInfo` has it.
_RUNNING, _ENDED = "running", "terminated"


class SidecarServicer:
    """The RPCs about sidecars; all that is done in one is done by the RPCs about sandboxes."""

    def __init__(self, state: State, creator: SandboxCreator) -> None:
        self._state = state
        self._creator = creator

    @once
    async def SandboxContainerCreateV2(
        self, request: pb.SandboxContainerCreateV2Request, call: ServedCall
    ) -> pb.SandboxContainerCreateV2Response:
        """Create a sidecar; it runs when this returns."""
        check_sandbox_token(self._state, request.sandbox_id, call)
        main = self._state.sandboxes.get(request.sandbox_id)
        variables = {
            **request.ephemeral_secrets.contents,
            **self._state.secrets.of_sources(request.secret_sources),
        }
        sidecar = await self._create(main, request.container_name, request.definition, variables)
        return pb.SandboxContainerCreateV2Response(
            container_id=sidecar.id, container_name=sidecar.name
        )

    async def TaskContainerCreate(
        self, request: router_pb2.TaskContainerCreateRequest, call: ServedCall
    ) -> router_pb2.TaskContainerCreateResponse:
        """The same, for sandboxes of the first version; a sidecar of which no client hears ends."""
        main = commanded(self._state, request.task_id, call)
        definition = sandboxes_pb2.Sandbox(
            entrypoint_args=request.args,
            image_id=request.image_id,
            secret_ids=request.secret_ids,
            workdir=request.workdir or None,
            volume_mounts=request.volume_mounts,
            network_access=request.network_access if request.HasField("network_access") else None,
            pty_info=request.pty_info if request.HasField("pty_info") else None,
        )
        variables = {**request.env, **self._state.secrets.of_sources(request.secret_sources)}
        sidecar = await self._create(main, request.container_name, definition, variables)

        def lost() -> None:
            start(sidecar.end(TERMINATED))

        call.on_lost = lost
        return router_pb2.TaskContainerCreateResponse(
            container_id=sidecar.id, container_name=sidecar.name
        )

    async def TaskContainerGet(
        self, request: router_pb2.TaskContainerGetRequest, call: ServedCall
    ) -> router_pb2.TaskContainerGetResponse:
        """The sidecar of a name that runs, or the latest one if that is asked for."""
        main = commanded(self._state, request.task_id, call)
        sidecar = main.sidecars.named(request.container_name, ended=request.include_terminated)
        return router_pb2.TaskContainerGetResponse(container=_info(sidecar))

    async def TaskContainerList(
        self, request: router_pb2.TaskContainerListRequest, call: ServedCall
    ) -> router_pb2.TaskContainerListResponse:
        """The sidecars of a sandbox, the oldest first."""
        sidecars = commanded(self._state, request.task_id, call).sidecars
        chosen = sidecars.all() if request.include_terminated else sidecars.running()
        return router_pb2.TaskContainerListResponse(containers=[_info(each) for each in chosen])

    async def TaskContainerWait(
        self, request: router_pb2.TaskContainerWaitRequest, call: ServedCall
    ) -> router_pb2.TaskContainerWaitResponse:
        """How a sidecar ended; no result if it still runs after `timeout` seconds."""
        sidecar = self._sidecar(request, call)
        check_timeout(request.timeout)
        return router_pb2.TaskContainerWaitResponse(result=await sidecar.wait(request.timeout))

    async def TaskContainerTerminate(
        self, request: router_pb2.TaskContainerTerminateRequest, call: ServedCall
    ) -> router_pb2.TaskContainerTerminateResponse:
        """End a sidecar, and return when nothing of it is left."""
        await finish(self._sidecar(request, call).end(TERMINATED))
        return router_pb2.TaskContainerTerminateResponse()

    def _sidecar(
        self,
        request: router_pb2.TaskContainerWaitRequest | router_pb2.TaskContainerTerminateRequest,
        call: ServedCall,
    ) -> ServedSandbox:
        return commanded(self._state, request.task_id, call).sidecars.get(request.container_id)

    async def _create(
        self,
        main: ServedSandbox,
        name: str,
        definition: sandboxes_pb2.Sandbox,
        variables: Mapping[str, str],
    ) -> ServedSandbox:
        check_sidecar_name(name)
        _check_networks(main, definition, self._state)
        main.check_running()
        definition.timeout_secs = main.definition.timeout_secs
        # Of no effect: it says what part of a reserve of memory, which Modal's machines have, it
        # takes.
        definition.ClearField("resources")
        image, spec = await self._creator.specify(definition, {}, variables)
        return await self._creator.create_sidecar(main, name, definition, image, spec)


def _check_networks(main: ServedSandbox, definition: sandboxes_pb2.Sandbox, state: State) -> None:
    """Refuse a sidecar that could not see its sandbox."""
    info = state.info
    if is_blocked(main.definition) or is_blocked(definition):
        raise invalid(
            "block_network=True: such a sandbox has no sidecars; outbound_cidr_allowlist=[] leads "
            "to nothing but these"
        )
    if Capability.SANDBOX_NETWORK not in info.capabilities:
        why = info.details.get(
            f"no {Capability.SANDBOX_NETWORK.value}", "its sandboxes cannot see each other"
        )
        raise unimplemented(
            f"Sandbox._experimental_sidecars: the engine {info.name!r} cannot do this here: {why}"
        )


def _info(sidecar: ServedSandbox) -> router_pb2.TaskContainerInfo:
    return router_pb2.TaskContainerInfo(
        container_id=sidecar.id,
        container_name=sidecar.name,
        status=_RUNNING if sidecar.result is None else _ENDED,
        result=sidecar.result,
    )
