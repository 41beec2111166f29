"""A connection as handlers read and write it."""

from ..processes.connection import End

_CHUNK = 65536


class ByteStream:
    """One end of a connection."""

    def __init__(self, end: End) -> None:
        self._end = end
        self._ahead = b""

    async def read(self, size: int = _CHUNK) -> bytes:
        """Up to `size` bytes; waits for some, and is empty only at the end.

        Raises:
            ConnectionError: the connection was broken off.
        """
        data, self._ahead = self._ahead[:size], self._ahead[size:]
        return data or await self._receive(size)

    async def read_exactly(self, size: int) -> bytes:
        """So many bytes; fewer only at the end."""
        while len(self._ahead) < size and (more := await self._receive(_CHUNK)):
            self._ahead += more
        return self._taken(size)

    async def read_all(self) -> bytes:
        """All that comes until the other end is closed."""
        parts = []
        while data := await self.read():
            parts.append(data)
        return b"".join(parts)

    async def readline(self) -> bytes:
        """A line with its end; what there is, at the end of all."""
        while b"\n" not in self._ahead and (more := await self._receive(_CHUNK)):
            self._ahead += more
        return self._taken(self._ahead.find(b"\n") + 1 or len(self._ahead))

    async def write(self, data: str | bytes) -> None:
        """Send all of `data`; waits while the other end does not read.

        Raises:
            ConnectionError: the other end is gone.
        """
        await self._end.write(data.encode() if isinstance(data, str) else data)

    @property
    def gone(self) -> bool:
        """Whether the other end has closed or reset the connection."""
        return self._end.gone

    def close(self) -> None:
        """End the connection; a second call does nothing."""
        self._end.close()

    def break_off(self) -> None:
        """Reset the connection, as a program that crashes does: the other end gets an error."""
        self._end.reset()

    async def _receive(self, size: int) -> bytes:
        return await self._end.read(size)

    def _taken(self, size: int) -> bytes:
        data, self._ahead = self._ahead[:size], self._ahead[size:]
        return data
