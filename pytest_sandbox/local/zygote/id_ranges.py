"""Ids of the machine that only one sandbox at a time has."""

from __future__ import annotations

import os
import socket

from ..kernel.idmap import COUNT

#: Where the blocks begin: above what useradd gives to people's subordinate ranges and what LXD
#: takes, within what systemd keeps for containers (its UIDS-GIDS document).
_FIRST = 0x40000000
#: Ranges in a block, and blocks: they end below `idmap.SHIFT`.
_RANGES, _BLOCKS = 256, 47


class IdRanges:
    """Ranges of one size, side by side.

    Args:
        first: the first id of the first range.
        size: how many ids a range has.
        ranges: how many ranges there are.
    """

    def __init__(self, first: int, size: int, ranges: int) -> None:
        self._first = first
        self._size = size
        self._users = [0] * ranges
        self._next = 0

    def take(self) -> int:
        """The first id of a range that no other sandbox has; if there is none, of a shared one."""
        fewest = min(self._users)
        while self._users[self._next] > fewest:
            self._next = (self._next + 1) % len(self._users)
        number, self._next = self._next, (self._next + 1) % len(self._users)
        self._users[number] += 1
        return self._first + number * self._size

    def give_back(self, first: int) -> None:
        """The sandbox that had the range is gone."""
        self._users[(first - self._first) // self._size] -= 1


class MachineIdRanges(IdRanges):
    """Ranges of ids, by default of a whole sandbox each, which no other run uses either.

    A run takes a block of them, by the name of a Unix socket, which the kernel gives to one process
    at a time and frees when that ends, however it ends: unix(7), "Abstract sockets".

    Args:
        size: how many ids a range has.
        ranges: how many ranges there are; of the usual size, they fill a block.

    Attributes:
        lock: the socket, open as long as the ranges are used.
    """

    def __init__(self, size: int = COUNT, ranges: int = _RANGES) -> None:
        self.lock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        block = self._take_block()
        super().__init__(_FIRST + block * _RANGES * COUNT, size, ranges)

    def _take_block(self) -> int:
        # Not with the module `random`, which seeds its generator anew in each process that is
        # forked.
        first = int.from_bytes(os.urandom(4), "little")
        blocks = [(first + number) % _BLOCKS for number in range(_BLOCKS)]
        for block in blocks:
            try:
                self.lock.bind(f"\0pytest-sandbox ids {block}")
            except OSError:
                continue
            return block
        # Somebody holds all names. A block that was chosen at random is most likely free.
        return blocks[0]
