"""One line of a log."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING, Literal

from pytest_sandbox._proto import common_pb2 as pb
from pytest_sandbox._shared.lazy_dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_sandbox._proto.apps_pb2 import AppFetchLogsResponse

#: Where a line comes from; nothing of a sandbox is from `"system"`, which is Modal's own.
LogSource = Literal["stdout", "stderr", "system"]

SOURCES: dict[LogSource | None, pb.FileDescriptor] = {
    None: pb.FILE_DESCRIPTOR_UNSPECIFIED,
    "stdout": pb.FILE_DESCRIPTOR_STDOUT,
    "stderr": pb.FILE_DESCRIPTOR_STDERR,
    "system": pb.FILE_DESCRIPTOR_INFO,
}
_NAMES = {descriptor: name for name, descriptor in SOURCES.items() if name}


@dataclass(frozen=True)
class LogEntry:
    """A line that the main process of a sandbox has written.

    Attributes:
        message: the line, with its line end; `str(entry)` is the same.
        timestamp: when its first byte came, in UTC.
        source: `"stdout"` or `"stderr"`.
        object_id: the sandbox or the app whose log was asked for.
        context_ids: the task that wrote it.
    """

    message: str
    timestamp: datetime
    source: LogSource
    object_id: str
    context_ids: list[str]

    def __str__(self) -> str:
        return self.message


def entries(response: AppFetchLogsResponse, object_id: str) -> Iterator[LogEntry]:
    """The lines of a response, in its order."""
    for batch in response.batches:
        for item in batch.items:
            seconds = item.timestamp_ns / 1e9 if item.timestamp_ns else item.timestamp
            yield LogEntry(
                item.data,
                datetime.fromtimestamp(seconds, timezone.utc),
                _NAMES.get(item.file_descriptor, "system"),
                object_id,
                [each for each in (item.container_id or batch.task_id,) if each],
            )
