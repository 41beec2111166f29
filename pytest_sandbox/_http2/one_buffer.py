"""Receives into one buffer that stays.

For each read of a socket, asyncio asks for 256 KiB of new memory, which takes longer than the read:
the C library maps and unmaps so much (mallopt(3), M_MMAP_THRESHOLD), and the kernel clears it.
"""

from __future__ import annotations

import asyncio
import threading

#: Bytes that are read at once: as many as asyncio reads.
_SIZE = 256 * 1024


class _Buffer(threading.local):
    """That of a thread, which has at most one event loop that runs."""

    def __init__(self) -> None:
        self.memory = memoryview(bytearray(_SIZE))


_buffer = _Buffer()


class OneBuffer(asyncio.Protocol, asyncio.BufferedProtocol):
    """A protocol whose `data_received` gets what came, though it is read into a buffer."""

    def get_buffer(self, sizehint: int) -> memoryview:
        """Where to write what comes."""
        return _buffer.memory

    def buffer_updated(self, nbytes: int) -> None:
        """So many bytes came."""
        self.data_received(bytes(_buffer.memory[:nbytes]))
