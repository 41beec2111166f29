"""An engine: a place that runs sandboxes."""

from abc import ABC, abstractmethod

from pytest_sandbox._shared.clock import Clock

from ._spec import EngineInfo, TaskSpec
from ._task import Task


class Engine(ABC):
    """A place that runs sandboxes.

    What it may be able to do besides is in the abilities: `SupportsForget`, `SupportsExport`,
    `SupportsPrepare`, `SupportsVolumes`.
    """

    #: Where the server and this engine take the time from.
    clock: Clock

    @abstractmethod
    async def start(self) -> EngineInfo:
        """Make the engine ready; called once, before anything else.

        Raises:
            EngineUnavailable: with the reason, and what to do.
        """

    @abstractmethod
    async def create(self, spec: TaskSpec) -> Task:
        """Create a task and start its main process.

        Raises:
            InvalidSpec, SpawnFailed, StoreFull, UnknownImage, Unsupported: and nothing is left
                behind.
            EngineUnavailable: the engine is not started, is closed, or died.
        """

    @abstractmethod
    async def close(self) -> None:
        """End every task and release everything; a second call does nothing."""
