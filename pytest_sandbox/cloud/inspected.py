"""The inspector of the cloud: what this process knows of sandboxes, recorded calls, and faults."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from grpclib import GRPCError, Status

from pytest_sandbox._proto import inspector_pb2 as pb
from pytest_sandbox._shared.engine_options import CLOUD_ENGINE

from .local_only import refusal_of

if TYPE_CHECKING:
    from pytest_sandbox.server import FaultInjector, Recorder, ServedCall

    from .commands import CommandHistory
    from .control import ControlPlane
    from .sandboxes import CloudSandboxes

#: What the engine is called, and how it isolates sandboxes.
NAME, MODE = CLOUD_ENGINE, "cloud"
#: What it can do, in the words of the contract of engines.
CAPABILITIES = (
    *("filesystem snapshot", "gpu", "isolation", "memory limit", "ports", "pty", "volumes"),
)


class CloudInspector:
    """The inspector RPCs.

    Args:
        control: Modal.
        sandboxes: of this run.
        history: of their commands.
        recorder: of the calls of tests.
        faults: those that are set.
    """

    def __init__(
        self,
        control: ControlPlane,
        sandboxes: CloudSandboxes,
        history: CommandHistory,
        recorder: Recorder,
        faults: FaultInjector,
    ) -> None:
        self._control = control
        self._sandboxes = sandboxes
        self._history = history
        self._recorder = recorder
        self._faults = faults

    async def Engine(
        self, request: pb.InspectorEngineRequest, call: ServedCall
    ) -> pb.InspectorEngineResponse:
        """The engine, and how many sandboxes it runs."""
        from importlib.metadata import version

        return pb.InspectorEngineResponse(
            name=NAME,
            mode=MODE,
            capabilities=CAPABILITIES,
            details=details(self._control),
            version=version("pytest-sandbox"),
            live_sandboxes=len(self._sandboxes.running()),
        )

    async def Describe(
        self, request: pb.InspectorDescribeRequest, call: ServedCall
    ) -> pb.InspectorDescribeResponse:
        """The commands of a sandbox, as far as calls have told of them."""
        sandbox = self._sandboxes.find(request.sandbox_id)
        alive = not sandbox.end
        until = time.monotonic() if alive else sandbox.ended
        return pb.InspectorDescribeResponse(
            sandbox_id=sandbox.id,
            name=sandbox.name,
            image=sandbox.image,
            running=alive,
            end=sandbox.end,
            commands=[
                each.message(sandbox.created, request.tail_bytes, alive=alive)
                for each in self._history.of_task(sandbox.task_id)
            ],
            seconds=until - sandbox.created,
        )

    async def End(
        self, request: pb.InspectorEndRequest, call: ServedCall
    ) -> pb.InspectorEndResponse:
        """End a sandbox, and tell what ran in it."""
        sandbox = self._sandboxes.find(request.sandbox_id)
        alive = not sandbox.end
        answer = pb.InspectorEndResponse(
            running=alive,
            commands=[
                each.message(sandbox.created, 0, alive=alive)
                for each in self._history.of_task(sandbox.task_id)
            ],
        )
        if alive:
            await self._sandboxes.terminate(sandbox)
        return answer

    async def RecordStart(
        self, request: pb.InspectorRecordStartRequest, call: ServedCall
    ) -> pb.InspectorRecordStartResponse:
        """Record calls from now on."""
        return pb.InspectorRecordStartResponse(next=self._recorder.record_start())

    async def RecordStop(
        self, request: pb.InspectorRecordStopRequest, call: ServedCall
    ) -> pb.InspectorRecordStopResponse:
        """End what RecordStart began."""
        self._recorder.record_stop()
        return pb.InspectorRecordStopResponse()

    async def Record(
        self, request: pb.InspectorRecordRequest, call: ServedCall
    ) -> pb.InspectorRecordResponse:
        """Records of calls, a page of them."""
        return self._recorder.record(request.since)

    async def FaultSet(
        self, request: pb.InspectorFaultSetRequest, call: ServedCall
    ) -> pb.InspectorFaultSetResponse:
        """Set a fault of calls."""
        if request.fault.WhichOneof("subject") == "connection":
            raise GRPCError(
                Status.UNIMPLEMENTED,
                "Modal's cloud does not have faults of connections (sandbox_network_faults): run "
                "the test with --sandbox-engine=local",
            )
        self._faults.fault_set(request.fault)
        return pb.InspectorFaultSetResponse()

    async def FaultList(
        self, request: pb.InspectorFaultListRequest, call: ServedCall
    ) -> pb.InspectorFaultListResponse:
        """How many calls each fault was for, and how many it disturbed."""
        return pb.InspectorFaultListResponse(states=self._faults.fault_list(request.ids))

    async def FaultClear(
        self, request: pb.InspectorFaultClearRequest, call: ServedCall
    ) -> pb.InspectorFaultClearResponse:
        """Clear faults."""
        self._faults.fault_clear(request.ids)
        return pb.InspectorFaultClearResponse()

    async def Sandboxes(
        self, request: pb.InspectorSandboxesRequest, call: ServedCall
    ) -> pb.InspectorSandboxesResponse:
        """The ids of all sandboxes of this run."""
        return pb.InspectorSandboxesResponse(ids=[each.id for each in self._sandboxes.all()])

    Serve = staticmethod(refusal_of("Serve"))
    Preset = staticmethod(refusal_of("Preset"))


def details(control: ControlPlane) -> dict[str, str]:
    """What people may want to know of the engine."""
    settings = control.settings
    return {
        "server": ", ".join(settings.server_urls),
        "token": f"{settings.who} ({settings.source})",
        "environment": settings.environment or "the default one",
        "modal": settings.version,
    }
