"""Hidden sandboxes in which work on the files of volumes is done.

What is in a volume was written by hostile programs. So its files are worked on where such a
program could have gone itself: in a sandbox of its own, which nothing else runs in. A link out of
the volume leads to nothing but the files of that sandbox.
"""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from pytest_sandbox.engine import (
    Engine,
    EngineUnavailable,
    Files,
    Task,
    TaskEnded,
    TaskSpec,
    VolumeMount,
)

from ..async_helpers import start

#: Where the volume is in its sandbox.
ROOT = "/volume"
#: Sandboxes that stay, though nothing is to do in them, for the next operation.
_IDLE = 4


class VolumeWorkers:
    """The hidden sandboxes by the volume that each has.

    Args:
        engine: makes them; they end with it.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._tasks: OrderedDict[str, asyncio.Future[Task]] = OrderedDict()
        self._uses: dict[str, int] = {}

    @asynccontextmanager
    async def files(self, volume: str) -> AsyncIterator[Files]:
        """The files of the sandbox that has a volume at `ROOT`, for a `with` block.

        Args:
            volume: its name for the engine.

        Raises:
            EngineUnavailable: the sandbox ended meanwhile; another attempt makes a new one.
            EngineError: as `Engine.create` has it.
        """
        self._uses[volume] = self._uses.get(volume, 0) + 1
        try:
            yield (await self._task(volume)).files
        except TaskEnded as error:
            self.end(volume)
            reason = f"the sandbox for the files of a volume ended: {error}"
            raise EngineUnavailable(reason) from error
        finally:
            self._uses[volume] -= 1
            self._release()

    async def _task(self, volume: str) -> Task:
        making = self._tasks.get(volume)
        if making is None or _failed(making):
            spec = TaskSpec(volumes=(VolumeMount(volume, ROOT),), name="files of a volume")
            making = self._tasks[volume] = asyncio.ensure_future(self._engine.create(spec))
        self._tasks.move_to_end(volume)
        # Others may wait for the same one, so a caller that gives up does not cancel it.
        return await asyncio.shield(making)

    def end(self, volume: str) -> None:
        """End the sandbox of a volume, if there is one."""
        making = self._tasks.pop(volume, None)
        if making is not None:
            start(_end(making))

    def _release(self) -> None:
        idle = [volume for volume in self._tasks if not self._uses.get(volume)]
        for volume in idle[: max(0, len(idle) - _IDLE)]:
            self.end(volume)
        self._uses = {volume: uses for volume, uses in self._uses.items() if uses}


def _failed(making: "asyncio.Future[Task]") -> bool:
    if not making.done():
        return False
    return (
        making.cancelled() or making.exception() is not None or making.result().poll() is not None
    )


async def _end(making: "asyncio.Future[Task]") -> None:
    await asyncio.wait([making])
    if not making.cancelled() and making.exception() is None:
        await making.result().kill()
