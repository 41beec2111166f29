"""The connection to a far side: what the link below gives."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from grpclib.client import Channel


class FarConnection(ABC):
    """A connection to a far side, which lasts as long as the session of the run.

    Attributes:
        channel: what calls are made over. It never connects again by itself.
        machine: where the far side is, for people: `"ssh://gpu-box"`.
        host: the far machine, for people, if that is not to be what it calls itself.
    """

    channel: Channel
    machine: str
    host: str = ""

    @property
    @abstractmethod
    def reason(self) -> str:
        """Why the session is over, as a sentence for people; empty while it is not.

        It is set before calls that are under way fail.
        """

    @abstractmethod
    async def close(self) -> None:
        """End the session; a second call does nothing."""
