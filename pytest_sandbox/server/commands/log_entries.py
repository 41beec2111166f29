"""The output of main processes as entries of a log: lines with the time when they came."""

from collections.abc import Iterator

from pytest_sandbox._shared.lazy_dataclass import dataclass
from pytest_sandbox.engine import OutputLog

from ..model.sandbox import ServedSandbox

#: Bytes that are read at a time.
_CHUNK = 256 * 1024
#: The most bytes of one entry; a longer line is several.
LONGEST = 64 * 1024


@dataclass(frozen=True)
class LoggedLine:
    """A line.

    Attributes:
        time: when its first byte came, in seconds since the epoch.
        sandbox: whose it is.
        stream: 0 for standard output, 1 for standard error.
        text: with its line end; bytes that are not UTF-8 become U+FFFD.
    """

    time: float
    sandbox: ServedSandbox
    stream: int
    text: str


def log_entries(sandbox: ServedSandbox, stream: int) -> Iterator[LoggedLine]:
    """The lines of one stream of the main process that are held, the oldest first.

    Args:
        sandbox: whose.
        stream: 0 for standard output, 1 for standard error.
    """
    times = sandbox.commands.main_times
    if times is None:
        return
    for offset, line in _lines(sandbox.commands.main_logs[stream]):
        text = line.decode("utf-8", "replace")
        yield LoggedLine(times[stream].at(offset), sandbox, stream, text)


def _lines(log: OutputLog) -> Iterator[tuple[int, bytes]]:
    """Each line with its offset."""
    offset, rest = log.first, b""
    while data := log.peek(offset + len(rest), _CHUNK):
        rest += data
        start = 0
        while end := _end_of_line(rest, start):
            yield offset + start, rest[start:end]
            start = end
        offset, rest = offset + start, rest[start:]
        if offset + len(rest) < log.first:  # dropped meanwhile
            offset, rest = log.first, b""
    if rest:
        yield offset, rest


def _end_of_line(data: bytes, start: int) -> int:
    """Where the line at `start` ends; 0 if that is not known yet."""
    end = data.find(b"\n", start, start + LONGEST) + 1
    return end or (start + LONGEST if len(data) - start >= LONGEST else 0)
