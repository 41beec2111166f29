"""What faults do to one call."""

from collections.abc import Callable
from dataclasses import field

from grpclib import GRPCError, Status

from pytest_sandbox._shared.lazy_dataclass import dataclass


class ResponseLost(GRPCError):
    """The response of a call must not reach the client: the call is to be reset."""

    def __init__(self) -> None:
        super().__init__(Status.CANCELLED, "the response was dropped by a planned fault")


@dataclass
class Disruption:
    """What happens to one call.

    Attributes:
        delay: seconds to wait before anything else.
        error: what the call ends with instead of being carried out.
        drop: carry it out, and reset it instead of responding.
        left: bytes of its responses until the stream is cut; `None` for no cut.
        cut: whether the stream was cut.
        words: a description of each fault, for the record of the call.
        has_effect: whether a fault has decided how the call ends.
        spared: called if a stream ended before it was to be cut.
    """

    delay: float = 0.0
    error: GRPCError | None = None
    drop: bool = False
    left: int | None = None
    cut: bool = False
    words: list[str] = field(default_factory=list)
    has_effect: bool = False
    spared: Callable[[], None] = lambda: None

    def over(self) -> None:
        """The call has ended."""
        if self.left is not None and not self.cut:
            self.spared()
