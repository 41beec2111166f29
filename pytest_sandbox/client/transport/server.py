"""Where a client connects to."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from pytest_sandbox._shared.clock import SystemClock

if TYPE_CHECKING:
    from pytest_sandbox._shared.clock import Clock

    from .. import exceptions
    from .wide_channel import WideChannel


class Server(ABC):
    """Where a client connects to.

    Attributes:
        clock: the time that waits and repetitions of the client take.
        hold: seconds that the server may hold a request that waits for an event, as with Modal's.
        address: where other processes of this user reach it; empty if they cannot.
        in_memory: whether it is served on the portal's loop.
        engine: the name of its engine; empty if that is not known, and has to be asked for.
    """

    clock: Clock = SystemClock()
    hold = 10.0
    address = ""
    in_memory = False
    engine = ""

    @abstractmethod
    def channel(self) -> WideChannel:
        """A new connection, made with its first call."""

    @abstractmethod
    def unreachable(self, error: OSError) -> exceptions.ConnectionError:
        """What to raise when no connection can be made."""
