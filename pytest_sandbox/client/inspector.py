"""The engine's recorded calls and planned faults, which Modal's protocol does not have."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from pytest_sandbox._proto import inspector_pb2 as pb
from pytest_sandbox._proto.inspector_grpc import InspectorStub

from .transport.portal import portal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from grpclib.client import UnaryUnaryMethod

    from .transport.calls import Calls

Req = TypeVar("Req")
Res = TypeVar("Res")


class Inspector:
    """The calls that an engine received, and the faults planned for them.

    Tests use `Rpcs` and `Faults`, which call this.

    Args:
        calls: makes calls of that engine.
    """

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def engine(self) -> pb.InspectorEngineResponse:
        """What the engine is now: one of several machines changes."""
        return self._ask(lambda stub: stub.Engine, pb.InspectorEngineRequest())

    def record_start(self) -> int:
        """Have calls recorded from now on; the number of the next one."""
        return self._ask(lambda stub: stub.RecordStart, pb.InspectorRecordStartRequest()).next

    def record_stop(self) -> None:
        """End what `record_start` began."""
        self._ask(lambda stub: stub.RecordStop, pb.InspectorRecordStopRequest())

    def record(self, since: int) -> pb.InspectorRecordResponse:
        """The calls with that number and later ones, a page of them."""
        return self._ask(lambda stub: stub.Record, pb.InspectorRecordRequest(since=since))

    def fault_set(self, fault: pb.Fault) -> None:
        """Set a fault, or change the one with its id."""
        self._ask(lambda stub: stub.FaultSet, pb.InspectorFaultSetRequest(fault=fault))

    def fault_list(self, ids: Iterable[str]) -> Sequence[pb.FaultState]:
        """How often each was matched, and fired."""
        request = pb.InspectorFaultListRequest(ids=ids)
        return self._ask(lambda stub: stub.FaultList, request).states

    def fault_clear(self, ids: Iterable[str]) -> None:
        """Take faults back."""
        self._ask(lambda stub: stub.FaultClear, pb.InspectorFaultClearRequest(ids=ids))

    def serve(self) -> pb.InspectorServeResponse:
        """Start another server on the same engine, for real Modal clients."""
        return self._ask(lambda stub: stub.Serve, pb.InspectorServeRequest())

    def preset(self, path: str) -> None:
        """Set up what a file of presets says.

        Args:
            path: of the file, absolute.

        Raises:
            InvalidError: it says something else, or cannot be read.
        """
        self._ask(lambda stub: stub.Preset, pb.InspectorPresetRequest(path=path))

    def sandboxes(self) -> pb.InspectorSandboxesResponse:
        """The ids of all sandboxes, whoever made them, and the values that a report must hide."""
        return self._ask(lambda stub: stub.Sandboxes, pb.InspectorSandboxesRequest())

    def _ask(
        self, method: Callable[[InspectorStub], UnaryUnaryMethod[Req, Res]], request: Req
    ) -> Res:
        return portal().run(
            lambda: self._calls.control(lambda link: method(InspectorStub(link.channel)), request)
        )
