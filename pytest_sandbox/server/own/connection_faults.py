"""Planned faults of connections: as clients set them, for the engine to carry out."""

from collections.abc import Iterable

from pytest_sandbox._proto import inspector_pb2 as pb
from pytest_sandbox.engine import ConnectionFault, InvalidSpec, SupportsConnectionFaults

from ..model.creation import group_of_caller
from ..model.state import State
from ..rpc.errors import invalid

_EFFECTS = {
    "refuse": "refuse",
    "reset_after_bytes": "reset",
    "black_hole": "black hole",
    "resolves_to": "resolve",
    "no_answer": "no answer",
}


class ConnectionFaults:
    """The faults of connections that clients have set.

    Args:
        state: whose engine and sandboxes.
    """

    def __init__(self, state: State) -> None:
        self._state = state
        self._ids: set[str] = set()

    async def fault_set(self, fault: pb.Fault) -> None:
        """Set a fault, or change the one with its id.

        Raises:
            GRPCError: NOT_FOUND, there is no such sandbox; INVALID_ARGUMENT, it makes no sense.
            Unsupported: the engine cannot do this.
        """
        sandbox_id = fault.connection.sandbox_id
        if sandbox_id:
            self._state.sandboxes.get(sandbox_id)
        engine = SupportsConnectionFaults.of(self._state.engine)
        try:
            await engine.set_fault(_fault(fault, sandbox_id or group_of_caller(fault.caller)))
        except InvalidSpec as error:
            raise invalid(str(error)) from None
        self._ids.add(fault.id)

    async def fault_list(self, ids: Iterable[str]) -> list[pb.FaultState]:
        """How many connections or questions each was for, and how many it affected."""
        known = [each for each in ids if each in self._ids]
        if not known:
            return []
        counts = await SupportsConnectionFaults.of(self._state.engine).fault_counts(known)
        return [
            pb.FaultState(id=each, seen=seen, fired=fired) for each, (seen, fired) in counts.items()
        ]

    async def fault_clear(self, ids: Iterable[str]) -> None:
        """Clear faults; what they have done stays so."""
        known = self._ids.intersection(ids)
        self._ids -= known
        if known:
            await SupportsConnectionFaults.of(self._state.engine).clear_faults(sorted(known))


def _fault(fault: pb.Fault, group: str) -> ConnectionFault:
    sent = fault.connection
    effect = sent.WhichOneof("effect")
    return ConnectionFault(
        fault.id,
        sent.host,
        group=group,
        port=sent.port,
        nth=max(1, sent.nth),
        times=sent.times,
        delay=sent.delay,
        effect=_EFFECTS[effect] if effect else "none",  # type: ignore[arg-type]
        after_bytes=sent.reset_after_bytes,
        addresses=tuple(sent.resolves_to.addresses),
    )
