"""What a program writes to a stream."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from ..transport.reading import Reading

#: File descriptors, by which streams are named.
STDOUT, STDERR = 1, 2


class OutputStream(ABC):
    """One output stream of a program, from its beginning, and the position in it."""

    def offer_to(  # noqa: B027 - most come when they are asked for
        self, reading: Reading[bytes], cut: Callable[[bytes], list[bytes]]
    ) -> None:
        """Have all of it offered to who reads it, if it comes before it is asked for.

        Args:
            reading: reads it, by `chunks`.
            cut: makes its items of all of it.
        """

    @abstractmethod
    def chunks(self) -> AsyncGenerator[bytes, None]:
        """What comes from the position on; each chunk moves it.

        A generator that an error has ended, or that was closed, can be followed by another, which
        begins behind the last chunk.
        """
