"""The command line that `ps` shows of this process: proc_pid_cmdline(5)."""

from __future__ import annotations

import ctypes
import functools

from . import prctl
from .calls import NOW

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .calls import PreparedCalls


def set_title(title: str, calls: PreparedCalls = NOW) -> None:
    """Show another command line, for ours names files of the machine.

    The kernel shows the memory into which it once put the arguments, as it is now.
    """
    start, end = _argument_memory()
    if 0 < start < end:
        text = title.encode()[: end - start - 1]
        padded = text.ljust(end - start, b"\0")
        calls.do(ctypes.memmove, start, padded, len(padded))
    prctl.set_name(title, calls)


@functools.cache  # a fork has its arguments where its parent has them
def _argument_memory() -> tuple[int, int]:
    """Where the arguments of this process begin and end: proc_pid_stat(5), fields 48 and 49."""
    with open("/proc/self/stat", "rb") as file:
        # The name, field 2, may hold blanks and parentheses; field 3 follows the last one.
        fields = file.read().rpartition(b")")[2].split()
    return int(fields[45]), int(fields[46])
