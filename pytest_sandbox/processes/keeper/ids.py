"""User ids of tasks, of which root gives one to each."""

from __future__ import annotations

import errno
import socket

from pytest_sandbox.local.kernel import caps
from pytest_sandbox.local.zygote.id_ranges import IdRanges, MachineIdRanges

#: How many tasks may live at a time, if the machine has all ids, and in a container that has few.
MOST, _FEW = 4096, 256
#: Engines that share a container.
_ENGINES = 8
#: Above the ids that useradd gives to people, and below those that systemd gives to services.
_FIRST = 60000 - _FEW * _ENGINES
#: What it takes to start processes of other users, to end them, and to remove their files.
_NEEDED = ("CHOWN", "DAC_OVERRIDE", "FOWNER", "KILL", "SETGID", "SETUID")


class NoOwnIds(Exception):
    """There is no user id for a task; says why."""


class OwnIds:
    """User ids that no other task of this machine, or container, has, and no user.

    Raises:
        NoOwnIds: there are none, or we may not use them.
    """

    def __init__(self) -> None:
        lacking = [name for name in _NEEDED if not caps.has(caps.KEPT[name])]
        if lacking:
            raise NoOwnIds(f"root lacks the capabilities {', '.join(lacking)}")
        self._lock: socket.socket | None = None
        self._taken: set[int] = set()
        ids: IdRanges = MachineIdRanges(size=1, ranges=MOST)
        first = ids.take()
        ids.give_back(first)
        self._ids = ids if _are_mapped(first, MOST) else self._few()

    def take(self) -> int:
        """An id that no task has.

        Raises:
            OSError: all are taken.
        """
        number = self._ids.take()
        if number in self._taken:
            self._ids.give_back(number)
            raise OSError(errno.EAGAIN, "other sandboxes have all user ids", "")
        self._taken.add(number)
        return number

    def give_back(self, number: int) -> None:
        """The task that had it is gone, and all its files."""
        self._taken.discard(number)
        self._ids.give_back(number)

    def _few(self) -> IdRanges:
        """Those of a container, which has a part of the machine's ids."""
        for number in range(_ENGINES):
            first = _FIRST + number * _FEW
            lock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            try:
                # As in `MachineIdRanges`: the kernel gives a name to one process at a time.
                lock.bind(f"\0pytest-sandbox ids from {first}")
            except OSError:
                lock.close()
                continue
            self._lock = lock
            if _are_mapped(first, _FEW):
                return IdRanges(first, 1, _FEW)
            break
        raise NoOwnIds("the user namespace that root is in has too few user ids, or none is free")


def _are_mapped(first: int, count: int) -> bool:
    """Whether some ids exist in the user namespace that we are in: user_namespaces(7)."""
    return all(_is_mapped(f"/proc/self/{kind}_map", first, count) for kind in ("uid", "gid"))


def _is_mapped(path: str, first: int, count: int) -> bool:
    with open(path) as file:
        ranges = [[int(word) for word in line.split()] for line in file]
    return any(start <= first and first + count <= start + size for start, _, size in ranges)
