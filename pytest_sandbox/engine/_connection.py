"""A connection into a task."""

from abc import ABC, abstractmethod


class Connection(ABC):
    """A connection to a port inside a task, both ways.

    After the end of the task, a read finds the end and a write raises `ConnectionError`.
    """

    @abstractmethod
    async def read(self, size: int) -> bytes:
        """Up to `size` bytes, as soon as there are any; empty when the peer has ended.

        Raises:
            ConnectionError: the peer broke it off, as a reset of TCP does.
        """

    @abstractmethod
    async def write(self, data: bytes) -> None:
        """Return when all of `data` is on its way.

        Raises:
            ConnectionError: the peer is gone, or we ended.
        """

    @abstractmethod
    async def end(self) -> None:
        """End our direction: the peer reads the end; a second call does nothing."""

    @abstractmethod
    async def close(self) -> None:
        """Release the connection; a second call does nothing."""
