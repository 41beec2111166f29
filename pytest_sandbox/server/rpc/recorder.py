"""Records the newest calls while anybody reads them.

Messages are stored as bytes: that is cheapest, and nothing can change them afterwards. Secrets are
removed, and the sandboxes of a call are found, only when the record is read.
"""

from collections import deque
from collections.abc import Callable, Mapping

from google.protobuf.message import Message

from pytest_sandbox._proto import inspector_pb2 as pb
from pytest_sandbox.engine import Clock

from .recorded_call import RecordedCall, record_message

#: The most calls that are stored, and the most bytes of their messages.
CALLS = 10_000
BYTES = 64 * 1024 * 1024
#: The most messages of one call that are stored, and the most bytes; others are only counted.
CALL_MESSAGES = 256
CALL_BYTES = 1024 * 1024
#: Bytes of messages in one page of records.
PAGE = 4 * 1024 * 1024


class Recorder:
    """Records the newest calls.

    Args:
        clock: the engine's.
        sandbox_of: the id of the sandbox of a task; empty if there is none.
    """

    def __init__(self, clock: Clock, sandbox_of: Callable[[str], str]) -> None:
        self._clock = clock
        self._sandbox_of = sandbox_of
        self._readers = 0
        self._next = 1
        self._entries: deque[RecordedCall] = deque()
        self._bytes = 0

    # For readers

    def record_start(self) -> int:
        """Record until each reader has called `record_stop`; the number of the next call."""
        self._readers += 1
        return self._next

    def upcoming(self) -> int:
        """The number of the next call."""
        return self._next

    def record_stop(self) -> None:
        """A reader has finished; the records are dropped with the last one."""
        self._readers = max(0, self._readers - 1)
        if not self._readers:
            for entry in self._entries:
                entry.held = False
            self._entries.clear()
            self._bytes = 0

    def record(self, since: int) -> pb.InspectorRecordResponse:
        """A page of records, beginning with the call of that number."""
        oldest = self._entries[0].number if self._entries else self._next
        page = pb.InspectorRecordResponse(next=self._next, dropped=max(0, oldest - since))
        size = 0
        for index in range(max(0, since - oldest), len(self._entries)):
            if size > PAGE:
                page.more = True
                break
            entry = self._entries[index]
            size += entry.size
            page.records.append(record_message(entry, self._sandbox_of))
        return page

    def any_ended_with(self, status: str) -> bool:
        """Whether one of the calls that are held ended with a status, without building records."""
        return any(entry.status == status for entry in self._entries)

    # For the calls

    @property
    def on(self) -> bool:
        """Whether there is a reader."""
        return self._readers > 0

    def begin(self, rpc: str, listener: str, metadata: Mapping[str, str | bytes]) -> RecordedCall:
        """Record a call that has come in."""
        entry = RecordedCall(self._next, rpc, listener)
        entry.metadata = metadata
        entry.started = self._clock.now()
        entry.since = self._clock.monotonic()
        self._next += 1
        self._entries.append(entry)
        self._make_room()
        return entry

    def request(self, entry: RecordedCall, message: Message) -> None:
        """Record a message from the client."""
        self._store(entry, entry.requests, entry.requested, message)

    def response(self, entry: RecordedCall, message: Message) -> None:
        """Record a message to the client."""
        self._store(entry, entry.responses, entry.responded, message)

    def end(self, entry: RecordedCall, status: str, message: str) -> None:
        """Record how a call ended."""
        entry.status = status
        entry.message = message
        entry.seconds = self._clock.monotonic() - entry.since

    def _store(
        self, entry: RecordedCall, stored: list[bytes], counted: list[int], message: Message
    ) -> None:
        data = message.SerializeToString()
        # Only the first messages are stored, without gaps.
        complete = len(stored) == counted[0]
        counted[0] += 1
        counted[1] += len(data)
        fits = len(stored) < CALL_MESSAGES and entry.size + len(data) <= CALL_BYTES
        if entry.held and complete and fits:
            stored.append(data)
            entry.size += len(data)
            self._bytes += len(data)
            self._make_room()

    def _make_room(self) -> None:
        while len(self._entries) > CALLS or self._bytes > BYTES:
            oldest = self._entries.popleft()
            oldest.held = False
            self._bytes -= oldest.size
