"""The ability of an engine that is not the same all the time."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING

from ._abilities import Ability

if TYPE_CHECKING:
    from ._spec import EngineInfo


class SupportsChange(Ability):
    """An engine of machines that come and go while it runs."""

    _unsupported = ("change", "this engine stays as it was when it was started")

    @property
    @abstractmethod
    def info(self) -> EngineInfo:
        """What the engine is now: what `start` returned, until a machine comes or goes."""
