"""The inspector: describes the engine and sandboxes, records calls, and sets faults."""

import asyncio
from collections.abc import Awaitable, Callable

from pytest_sandbox._proto import common_pb2
from pytest_sandbox._proto import inspector_pb2 as pb
from pytest_sandbox._proto.extensions_pb2 import SandboxUsageResponse
from pytest_sandbox._shared.async_tasks import finish
from pytest_sandbox._shared.filesystem_tool import TOOL
from pytest_sandbox.engine import NetworkLog, SupportsNetworkLog, Unsupported

from ..commands.commands import FailedStart
from ..commands.execution import CommandExecution
from ..model.result import TERMINATED
from ..model.sandbox import ServedSandbox
from ..model.state import State
from ..networks.network import lack_of_network
from ..preset import preset
from ..preset_file import read_presets
from ..rpc.call import ServedCall
from ..rpc.errors import invalid, unimplemented
from ..rpc.faults import FaultInjector
from ..rpc.handlers import once
from ..rpc.recorder import Recorder
from .connection_faults import ConnectionFaults
from .used import used

#: The most bytes of the end of one output in a description, which is for people to read.
MAX_TAIL = 64 * 1024
#: The most bytes of all of them, of which the main process and the newest commands have theirs.
MAX_TAILS = 32 * 1024 * 1024

_ENDINGS = {
    common_pb2.GenericResult.GENERIC_STATUS_TERMINATED: "terminated",
    common_pb2.GenericResult.GENERIC_STATUS_TIMEOUT: "timeout of {0.timeout_secs} s reached",
    common_pb2.GenericResult.GENERIC_STATUS_IDLE_TIMEOUT: (
        "idle_timeout of {0.idle_timeout_secs} s reached"
    ),
}


#: Starts another server on the same engine.
ServeModal = Callable[[], Awaitable[pb.InspectorServeResponse]]


class InspectorServicer:
    """The inspector RPCs.

    Args:
        state: the server's.
        recorder: of its calls.
        faults: those that are set.
        watching: called when calls begin to be recorded or disturbed; returns when clients know.
        serve: starts another server on the same engine; `None` if that is not offered.
    """

    def __init__(
        self,
        state: State,
        recorder: Recorder,
        faults: FaultInjector,
        watching: Callable[[], Awaitable[None]],
        serve: ServeModal | None,
    ) -> None:
        self._state = state
        self._recorder = recorder
        self._faults = faults
        self._watching = watching
        self._serve = serve
        self._connection_faults = ConnectionFaults(state)

    async def Engine(
        self, request: pb.InspectorEngineRequest, call: ServedCall
    ) -> pb.InspectorEngineResponse:
        """The engine, and how many sandboxes it runs."""
        from importlib.metadata import version  # it imports `email` and `zipfile`

        info = self._state.info
        return pb.InspectorEngineResponse(
            name=info.name,
            mode=info.mode,
            capabilities=sorted(capability.value for capability in info.capabilities),
            details=info.details,
            version=version("pytest-sandbox"),
            live_sandboxes=len(self._state.sandboxes.running()),
        )

    async def Describe(
        self, request: pb.InspectorDescribeRequest, call: ServedCall
    ) -> pb.InspectorDescribeResponse:
        """The commands of a sandbox, how each ended, and the end of its output.

        The filesystem tool is left out: users do not run it as a command.
        """
        sandbox = self._state.sandboxes.get(request.sandbox_id)
        now = self._state.clock.monotonic()
        tail = min(request.tail_bytes, MAX_TAIL)
        first, others = _all_commands(sandbox)
        commands: list[pb.SandboxCommand] = []
        left = MAX_TAILS
        # The main process comes first, and then the newest.
        for each in [*first, *others[::-1]]:
            if isinstance(each, FailedStart):
                commands.append(_failed_start(sandbox, each))
            else:
                command = _command(sandbox, each, min(tail, left // 2), now)
                left -= len(command.stdout_tail) + len(command.stderr_tail)
                commands.append(command)
        commands[len(first) :] = commands[len(first) :][::-1]
        image = sandbox.image
        log = await _network_log(sandbox)
        membership = sandbox.spec.membership
        ended = sandbox.ended if sandbox.ended is not None else now
        return pb.InspectorDescribeResponse(
            sandbox_id=sandbox.id,
            name=sandbox.name,
            image=str(image),
            running=sandbox.result is None,
            end=_end(sandbox),
            commands=commands,
            aliases=membership.aliases if membership is not None else (),
            no_network=lack_of_network(sandbox.definition, sandbox.spec),
            seconds=ended - sandbox.started,
            used=await _used(sandbox),
            connections=[pb.SandboxConnection(**vars(record)) for record in log.records],
            connections_left_out=log.left_out,
            refused=[pb.SandboxRefusedConnections(**vars(each)) for each in sandbox.refusals.all()],
            refused_left_out=sandbox.refusals.left_out,
            lost=await _lost(sandbox),
        )

    @once
    async def End(
        self, request: pb.InspectorEndRequest, call: ServedCall
    ) -> pb.InspectorEndResponse:
        """End a sandbox, and tell what ran in it: one call, as every test ends with it."""
        if self._state.sandboxes.has_forgotten(request.sandbox_id):
            return pb.InspectorEndResponse()  # since many others have ended, perhaps of other tests
        sandbox = self._state.sandboxes.get(request.sandbox_id)
        first, others = _all_commands(sandbox)
        answer = pb.InspectorEndResponse(
            running=sandbox.result is None,
            commands=[
                pb.SandboxCommand(argv=each.argv, running=_is_running(each), main=each in first)
                for each in (*first, *others)
            ],
        )
        await finish(sandbox.end(TERMINATED))
        return answer

    @once
    async def RecordStart(
        self, request: pb.InspectorRecordStartRequest, call: ServedCall
    ) -> pb.InspectorRecordStartResponse:
        """Record calls from now on."""
        first = self._recorder.record_start()
        await self._watching()
        return pb.InspectorRecordStartResponse(next=first)

    @once
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
        """Set a fault; if it ends a sandbox at once, return when that has ended."""
        if request.fault.WhichOneof("subject") == "connection":
            await self._connection_faults.fault_set(request.fault)
        else:
            self._faults.fault_set(request.fault)
            await self._watching()
            await self._faults.settled(request.fault.id)
        return pb.InspectorFaultSetResponse()

    async def FaultList(
        self, request: pb.InspectorFaultListRequest, call: ServedCall
    ) -> pb.InspectorFaultListResponse:
        """How many calls or connections each fault was for, and how many it disturbed."""
        of_connections = await self._connection_faults.fault_list(request.ids)
        states = [*self._faults.fault_list(request.ids), *of_connections]
        return pb.InspectorFaultListResponse(states=states)

    async def FaultClear(
        self, request: pb.InspectorFaultClearRequest, call: ServedCall
    ) -> pb.InspectorFaultClearResponse:
        """Clear faults."""
        self._faults.fault_clear(request.ids)
        await self._connection_faults.fault_clear(request.ids)
        return pb.InspectorFaultClearResponse()

    @once
    async def Serve(
        self, request: pb.InspectorServeRequest, call: ServedCall
    ) -> pb.InspectorServeResponse:
        """Start another server on the same engine, for real Modal clients."""
        if self._serve is None:
            raise unimplemented("this server starts no other one")
        return await self._serve()

    async def Preset(
        self, request: pb.InspectorPresetRequest, call: ServedCall
    ) -> pb.InspectorPresetResponse:
        """Set up what a file of presets says."""
        try:
            await preset(self._state, read_presets(request.path))
        except ValueError as error:
            raise invalid(str(error)) from None
        return pb.InspectorPresetResponse()

    async def Sandboxes(
        self, request: pb.InspectorSandboxesRequest, call: ServedCall
    ) -> pb.InspectorSandboxesResponse:
        """The ids of all sandboxes, and the values that a report about them must not show."""
        return pb.InspectorSandboxesResponse(
            ids=[sandbox.id for sandbox in self._state.sandboxes.all()],
            secret_values=self._state.secrets.values,
        )


async def _network_log(sandbox: ServedSandbox) -> NetworkLog:
    """What the current task of a sandbox connected to."""
    if isinstance(sandbox.task, SupportsNetworkLog):
        return await sandbox.task.network_log()
    return NetworkLog()


def _failed_start(sandbox: ServedSandbox, failed: FailedStart) -> pb.SandboxCommand:
    return pb.SandboxCommand(
        argv=failed.argv,
        started_after=failed.at - sandbox.started,
        start_error=failed.reason,
    )


async def _used(sandbox: ServedSandbox) -> SandboxUsageResponse | None:
    try:
        return used(await sandbox.usage())
    except Unsupported:
        return None


async def _lost(sandbox: ServedSandbox) -> list[pb.SandboxLoss]:
    if sandbox.commit is None:
        return []
    paths = {mount.volume: mount.path for mount in sandbox.spec.volumes}
    losses = await asyncio.shield(sandbox.commit)
    return [pb.SandboxLoss(path=paths[each.name], reason=each.reason) for each in losses]


def _all_commands(
    sandbox: ServedSandbox,
) -> tuple[list[CommandExecution], list[CommandExecution | FailedStart]]:
    """The main process, if there is one, and the others in the order of their start."""
    others: list[CommandExecution | FailedStart] = [
        *(each for each in sandbox.commands.started if each.argv[0] != TOOL),
        *sandbox.commands.failed_starts,
    ]
    others.sort(key=lambda each: each.number)
    main = sandbox.commands.main
    return [] if main is None else [main], others


def _is_running(command: CommandExecution | FailedStart) -> bool:
    return not isinstance(command, FailedStart) and command.process.poll() is None


def _end(sandbox: ServedSandbox) -> str:
    result = sandbox.result
    if result is None:
        return ""
    ending = _ENDINGS.get(result.status)
    if ending is None:
        return result.exception or f"exited with code {result.exitcode}"
    return ending.format(sandbox.definition)


def _command(
    sandbox: ServedSandbox, execution: CommandExecution, tail: int, now: float
) -> pb.SandboxCommand:
    status = execution.process.poll()
    stdout, stderr = execution.logs
    return pb.SandboxCommand(
        argv=execution.argv,
        started_after=execution.started - sandbox.started,
        seconds=(execution.ended if execution.ended is not None else now) - execution.started,
        running=status is None,
        returncode=status.returncode if status is not None else 0,
        stdout_tail=stdout.tail(tail),
        stderr_tail=stderr.tail(tail),
        stdout_bytes=stdout.end,
        stderr_bytes=stderr.end,
        paused=status is None and (stdout.full or stderr.full),
        ended_by=execution.ended_by,
        main=execution is sandbox.commands.main,
    )
