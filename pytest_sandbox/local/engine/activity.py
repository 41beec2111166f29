"""Whether an engine has something to do."""

from __future__ import annotations

import asyncio


class Activity:
    """What is asked of an engine's sandboxes, as it comes.

    Inside of a `with` block of it, there is something to do.
    """

    def __init__(self) -> None:
        self._under_way = 0
        self._last = 0.0

    def note(self) -> None:
        """Something was asked of a sandbox, or has happened in one."""
        self._last = asyncio.get_running_loop().time()

    def __enter__(self) -> None:
        self._under_way += 1

    def __exit__(self, *_: object) -> None:
        self._under_way -= 1
        self.note()

    def idle_for(self) -> float:
        """Seconds since the last of it; 0 while something is under way."""
        if self._under_way:
            return 0.0
        return asyncio.get_running_loop().time() - self._last
