"""The state of one call of a `PlainConnection`, and its windows."""

from h2.exceptions import FlowControlError
from h2.windows import WindowManager

from .frames import LAST_31


class PlainStream:
    """The state of one call that is under way.

    Attributes:
        outbound: bytes that the peer takes of it.
        inbound: those that it may send.
        answered: whether headers came from the server.
        ended: whether all was sent.
        peer_ended: whether all has come.
    """

    __slots__ = ("answered", "ended", "inbound", "outbound", "peer_ended")

    #: For grpclib: it is forgotten when both ends have ended it.
    open, closed = True, False

    def __init__(self, outbound: int, inbound: int) -> None:
        self.outbound = outbound
        self.inbound = WindowManager(inbound)
        self.answered = False
        self.ended = False
        self.peer_ended = False


def opened(window: int, more: int) -> int:
    """A window that is opened by so much.

    Raises:
        FlowControlError: it would be larger than windows can be.
    """
    if window + more > LAST_31:
        raise FlowControlError("a window is larger than windows can be")
    return window + more
