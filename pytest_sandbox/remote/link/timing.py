"""How long the ends of a session wait for each other."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Timing:
    """Seconds that the ends of a session wait for each other.

    Attributes:
        ping: between two looks whether a byte came from the peer; if not, it is asked for one.
        pings: how many of these may stay without an answer, until the connection counts as lost.
        dial: that a connection may take until both ends have said hello.
        refused: for which nothing may listen at the far side before the session counts as lost.
        retry: between two attempts to connect again.
    """

    ping: float = 1.0
    pings: int = 3
    dial: float = 10.0
    refused: float = 3.0
    retry: float = 0.2
