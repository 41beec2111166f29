"""The streams of a process that the engine started."""

from typing import Protocol

from pytest_sandbox.engine import ProcessSpec

from .description import Description


class OutsideStreams(Protocol):
    """The streams of a process that the engine started, as `MemoryProcess` has them.

    Attributes:
        spec: what was started.
        ends: the ends of its three streams that are its own.
        pending: what was sent to it and not read.
    """

    spec: ProcessSpec
    ends: tuple[Description, Description, Description]

    @property
    def pending(self) -> bytes:
        """What was sent to it and not read."""
