"""Which ids of the machine sandboxes use, where each has a range of its own.

The kernel counts much per user, of whichever namespace: descriptors in flight, pages in pipes,
watches of epoll(7). A sandbox that shares its ids with another can use up what that one needs. One
run takes a block of ranges, by the name of a Unix socket, which the kernel gives to one process at
a time and frees when that ends, however it ends: unix(7), "Abstract sockets".
"""

from __future__ import annotations

import random
import socket

from ..kernel.idmap import COUNT

#: Where the blocks begin: above what useradd gives to people's subordinate ranges, within what
#: systemd keeps for containers (its UIDS-GIDS document).
_FIRST = 0x10000000
#: Ranges in a block, and blocks: they end below `idmap.SHIFT`.
_RANGES, _BLOCKS = 256, 95


class IdRanges:
    """The ranges of one zygote."""

    def __init__(self) -> None:
        self._lock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._block = self._take_block()
        self._users = [0] * _RANGES
        self._next = 0

    def take(self) -> int:
        """The first of `COUNT` ids that no other sandbox uses.

        Of more than 256 sandboxes at a time, some share.
        """
        fewest = min(self._users)
        while self._users[self._next] > fewest:
            self._next = (self._next + 1) % _RANGES
        number, self._next = self._next, (self._next + 1) % _RANGES
        self._users[number] += 1
        return _FIRST + (self._block * _RANGES + number) * COUNT

    def give_back(self, first: int) -> None:
        """The sandbox that used these ids is gone."""
        self._users[(first - _FIRST) // COUNT % _RANGES] -= 1

    def _take_block(self) -> int:
        blocks = random.sample(range(_BLOCKS), _BLOCKS)
        for block in blocks:
            try:
                self._lock.bind(f"\0pytest-sandbox ids {block}")
            except OSError:
                continue
            return block
        # Somebody holds all names. A block that was chosen at random is most likely free.
        return blocks[0]
