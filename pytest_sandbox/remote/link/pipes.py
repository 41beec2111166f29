"""A connection over two descriptors: standard input and output of a program that ssh started."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Callable

    from .carrier import Carrier


class PipeTransport(asyncio.Transport):
    """Reads from one descriptor and writes to another.

    Args:
        reading: reads from the one.
        writing: writes to the other.
    """

    def __init__(self, reading: asyncio.ReadTransport, writing: asyncio.WriteTransport) -> None:
        super().__init__()
        self._reading = reading
        self._writing = writing

    @classmethod
    async def open(
        cls, carrier: Carrier, source: int, target: int, on_lost: Callable[[], None]
    ) -> None:
        """Connect two descriptors, which belong to the connection from then on.

        Args:
            carrier: the protocol of the connection.
            source: to read from.
            target: to write to.
            on_lost: called when the connection has ended.
        """
        loop = asyncio.get_running_loop()
        writing, _ = await loop.connect_write_pipe(
            lambda: _Writing(carrier), os.fdopen(target, "wb", buffering=0)
        )
        await loop.connect_read_pipe(
            lambda: _Reading(carrier, writing, on_lost),
            os.fdopen(source, "rb", buffering=0),
        )

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send."""
        self._writing.write(data)

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Set how much is held before the protocol waits."""
        self._writing.set_write_buffer_limits(high, low)

    def get_write_buffer_size(self) -> int:
        """Bytes that are not written yet."""
        return self._writing.get_write_buffer_size()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """What is known of the connection: nothing."""
        return default

    def pause_reading(self) -> None:
        """Read nothing for now."""
        self._reading.pause_reading()

    def resume_reading(self) -> None:
        """Read on."""
        self._reading.resume_reading()

    def is_closing(self) -> bool:
        """Whether it is closed, or about to be."""
        return self._reading.is_closing()

    def close(self) -> None:
        """Close it after what was written."""
        self._writing.close()
        self._reading.close()

    def abort(self) -> None:
        """Close it at once."""
        self._writing.abort()
        self._reading.close()


class _Reading(asyncio.Protocol):
    def __init__(
        self, carrier: Carrier, writing: asyncio.WriteTransport, on_lost: Callable[[], None]
    ) -> None:
        self._carrier = carrier
        self._writing = writing
        self._on_lost = on_lost

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        reading = cast("asyncio.ReadTransport", transport)
        self._carrier.connection_made(PipeTransport(reading, self._writing))

    def data_received(self, data: bytes) -> None:
        self._carrier.data_received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._writing.close()
        self._carrier.connection_lost(exc)
        self._on_lost()


class _Writing(asyncio.BaseProtocol):
    def __init__(self, carrier: Carrier) -> None:
        self._carrier = carrier

    def pause_writing(self) -> None:
        self._carrier.pause_writing()

    def resume_writing(self) -> None:
        self._carrier.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        pass  # the reading end notices too
