"""Writes what is said in one turn of the event loop at once.

grpclib writes the headers of a call, its message and its end one by one. Each write is a call of
the kernel, and a turn of the event loop at the other end.
"""

from __future__ import annotations

import asyncio
from typing import Any

#: Bytes that do not wait for the end of the turn: they are worth a write of their own.
_MUCH = 64 * 1024
#: Seconds in which another write is likely to follow, if there was one: many calls are under way.
#: One call after another takes longer.
_MOMENT = 0.0003


class JoinedWrites(asyncio.Transport):
    """A transport that writes at the end of the turn, and does all else as another one does.

    Args:
        transport: the other one.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        super().__init__()
        self._transport = transport
        self._loop = asyncio.get_running_loop()
        self._waiting: list[bytes | bytearray | memoryview] = []
        self._size = 0
        self._written = 0.0

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Write soon, together with what is written until then."""
        if not self._waiting:
            self._loop.call_soon(self.write_now)
        self._waiting.append(data)
        self._size += len(data)
        if self._size >= _MUCH:
            self.write_now()

    def write_last(self, data: bytes) -> None:
        """Write the last that a call says: now, unless others have just said something."""
        if self._is_due():
            self._waiting.append(data)
            self.write_now()
        else:
            self.write(data)

    def write_if_due(self) -> None:
        """Write what waits, as this call says no more, unless others have just said something."""
        if self._is_due():
            self.write_now()

    def _is_due(self) -> bool:
        return self._loop.time() - self._written > _MOMENT

    def write_now(self) -> None:
        """Write what waits."""
        if self._waiting:
            self._written = self._loop.time()
            data = self._waiting[0] if len(self._waiting) == 1 else b"".join(self._waiting)
            self._waiting.clear()
            self._size = 0
            self._transport.write(data)

    def get_write_buffer_size(self) -> int:
        """Bytes that are not written yet."""
        return self._size + self._transport.get_write_buffer_size()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """What is known of the connection."""
        return self._transport.get_extra_info(name, default)

    def is_closing(self) -> bool:
        """Whether it is closed, or about to be."""
        return self._transport.is_closing()

    def close(self) -> None:
        """Close it after what was written."""
        self.write_now()
        self._transport.close()

    def abort(self) -> None:
        """Close it at once."""
        self._waiting.clear()
        self._size = 0
        self._transport.abort()

    def pause_reading(self) -> None:
        """Read nothing for now."""
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Read on."""
        self._transport.resume_reading()
