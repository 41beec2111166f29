"""The limit of what sockets hold, which the kernel counts for no cgroup, or not for every kind.

What was sent and is not received belongs to no process: the kernel would kill others for it. Where
nothing bounds it, a look from time to time finds a sandbox that holds much of the machine's memory
in that way.
"""

from __future__ import annotations

import os
import time

from ...kernel import process_usage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from ..sandbox_record import SandboxRecord

#: Seconds between two looks.
_INTERVAL = 0.25
_MEMORY = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
#: The part of the machine's memory up to whose use there is no need to look at sockets.
_FREE_TO_USE = 2
#: The part of it that sockets of one sandbox may hold then.
_LIMIT = 32
#: Lists of sockets, in `/proc/PID/net`: proc_pid_net(5).
_NETLINK, _INTERNET = "netlink", ("udp", "udp6", "tcp", "tcp6")


class SocketWatch:
    """Ends sandboxes whose sockets hold too much.

    Args:
        end: called with the pid of PID 1 of each, and its record.
    """

    def __init__(self, end: Callable[[int, SandboxRecord], None]) -> None:
        self._end = end
        self._next = 0.0

    def act(self, alive: Mapping[int, SandboxRecord]) -> float | None:
        """Look, if it is time to; the seconds until this is to be called again, if it is.

        Args:
            alive: the sandboxes, by the pid of PID 1.
        """
        if not alive:
            return None
        now = time.monotonic()
        if now >= self._next:
            self._next = now + _INTERVAL
            if _is_much_in_use():
                for pid, record in list(alive.items()):
                    if _exceeds(pid, min(record.group.limits.memory, _MEMORY // _LIMIT)):
                        self._end(pid, record)
        return max(0.0, self._next - now)


def _is_much_in_use() -> bool:
    try:
        return process_usage.used_on_the_machine() > _MEMORY // _FREE_TO_USE
    except OSError:
        return False


def _exceeds(pid: int, limit: int) -> bool:
    held = 0
    for size in _sizes(pid):
        held += size
        if held > limit:
            return True  # there may be a million sockets
    return False


def _sizes(pid: int) -> Iterator[int]:
    """What each socket in the network namespace of a process holds."""
    for fields in _lines(f"/proc/{pid}/net/{_NETLINK}"):
        yield int(fields[4]) + int(fields[5])  # Rmem, Wmem
    for kind in _INTERNET:
        for fields in _lines(f"/proc/{pid}/net/{kind}"):
            sent, _, received = fields[4].partition(":")
            yield int(sent, 16) + int(received, 16)


def _lines(path: str) -> Iterator[list[str]]:
    try:
        with open(path) as file:
            next(file, None)  # names of the columns
            for line in file:
                yield line.split()
    except OSError:
        return  # it has ended, or the kernel has no such sockets
