"""The calls that a recorder has written down, fetched as they are needed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, cast

from ._record import Rpc

if TYPE_CHECKING:
    from pytest_sandbox._proto.inspector_pb2 import InspectorRecordResponse


class Recording(Protocol):
    """Where records come from: the engine process of a client, or a server in this process."""

    def record_start(self) -> int:
        """Begin to record, unless another reader has; the number of the next call."""

    def record_stop(self) -> None:
        """End what `record_start` began."""

    def record(self, since: int) -> InspectorRecordResponse:
        """Records of the calls with that number and later ones, maybe not all."""


class LocalRecording(Recording, Protocol):
    """A recorder in this process, which knows how many calls there were without their records."""

    def upcoming(self) -> int:
        """The number of the next call."""


class CallHistory:
    """All calls since this was made, fetched from the recorder as they are needed.

    Args:
        source: the recorder.
        caller: only calls of this caller; empty for all.

    Attributes:
        dropped: how many calls the recorder no longer has, and this has not seen.
    """

    def __init__(self, source: Recording, caller: str) -> None:
        self._source = source
        local = hasattr(source, "upcoming")
        self._local = cast("LocalRecording", source) if local else None
        self._caller = caller
        first = source.record_start()
        #: The first call that may still change, and the first that is not known.
        self._next = self._upcoming = first
        self._rpcs: dict[int, Rpc] = {}
        #: The first call of each phase.
        self._phases = [(first, "")]
        self.dropped = 0

    def begin_phase(self, phase: str) -> None:
        """Calls from now on are made in this phase."""
        self._phases.append((self._following(), phase))

    def _following(self) -> int:
        """The number of the next call."""
        if self._local is not None:
            return self._local.upcoming()
        self.update()
        return self._upcoming

    def update(self) -> list[Rpc]:
        """Fetch what is new; all calls of the caller, in the order of their arrival."""
        since = self._next
        while True:
            page = self._source.record(since)
            held = since + page.dropped
            self.dropped += sum(1 for number in range(since, held) if number not in self._rpcs)
            for record in page.records:
                self._rpcs[record.number] = Rpc(record, self._phase(record.number))
            if not page.more:
                break
            since = page.records[-1].number + 1
        # Calls that the recorder has dropped stay as they were last seen.
        under_way = [n for n, rpc in self._rpcs.items() if n >= held and not rpc.status]
        self._upcoming = page.next
        self._next = min(under_way, default=page.next)
        return [
            rpc
            for _, rpc in sorted(self._rpcs.items())
            if not self._caller or rpc.caller == self._caller
        ]

    def _phase(self, number: int) -> str:
        return next(phase for first, phase in reversed(self._phases) if number >= first)

    def close(self) -> None:
        """Stop recording, for this reader."""
        self._source.record_stop()
