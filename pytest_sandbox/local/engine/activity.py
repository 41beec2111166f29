"""Whether an engine has something to do."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class Activity:
    """What is asked of an engine's sandboxes, as it comes."""

    def __init__(self) -> None:
        self._under_way = 0
        self._last = 0.0

    def note(self) -> None:
        """Something was asked of a sandbox, or has happened in one."""
        self._last = asyncio.get_running_loop().time()

    @contextlib.contextmanager
    def under_way(self) -> Iterator[None]:
        """While inside, there is something to do."""
        self._under_way += 1
        try:
            yield
        finally:
            self._under_way -= 1
            self.note()

    def idle_for(self) -> float:
        """Seconds since the last of it; 0 while something is under way."""
        if self._under_way:
            return 0.0
        return asyncio.get_running_loop().time() - self._last
