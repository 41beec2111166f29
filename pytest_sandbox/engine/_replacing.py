"""The ability of a task that another one can take over from."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING

from ._abilities import Ability

if TYPE_CHECKING:
    from ._spec import TaskSpec
    from ._task import Task


class SupportsReplacement(Ability):
    """A task that holds something of its machine, which another one can have in its place."""

    _unsupported = ("replacement", "its tasks hold nothing that others could have after them")

    @abstractmethod
    async def create_replacement(self, spec: TaskSpec) -> Task:
        """Create a task in the place of this one, which is about to be ended, and is not yet.

        So it need not wait for what this one holds: `TaskSpec.requests` is not heeded.

        Raises:
            EngineError: as `Engine.create` raises it.
        """
