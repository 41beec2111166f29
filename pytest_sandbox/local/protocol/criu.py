"""Between the engine and a helper that dumps or restores the processes of a sandbox.

The engine asks the zygote, which forks the helper; that answers over a socket which came with the
request, with `ProcessesDumped` or `ProcessesRestored`, `OperationRefused` or `Failed`. If the
socket is closed before, the helper was killed. One that is to restore waits for `StreamsGiven` over
that socket before any process is there: so it can be started ahead.
"""

from __future__ import annotations

from .common import Failed
from .message import Message
from .wire import family


class ProcessTree(Message):
    """Part of `DumpedState`: processes that CRIU dumped together.

    Attributes:
        root: pid of the one that the others descend from.
        session: its session.
        family: pids of all.
    """

    root: int
    session: int
    family: list[int]


class ExternalTerminal(Message):
    """Part of `DumpedState`: a terminal whose other end the engine has.

    Attributes:
        number: in `/dev/pts`.
        key: what CRIU calls it.
    """

    number: int
    key: str


class DumpedState(Message):
    """Part of others: what a restore wants to know, besides CRIU's images.

    Attributes:
        trees: the processes.
        running: pids of those that were not stopped.
        latest_pid: the latest pid in the sandbox.
        terminals: those that lead out of it.
        pipes: inodes of pipes that lead out of it.
        size: bytes that the images take.
    """

    trees: list[ProcessTree]
    running: list[int]
    latest_pid: int
    terminals: list[ExternalTerminal]
    pipes: list[int]
    size: int


class GivenPipe(Message):
    """Part of `StreamsGiven`: a pipe that takes the place of another.

    Attributes:
        inode: of the old pipe.
        place: where the new one is among the descriptors.
    """

    inode: int
    place: int


class DumpRequest(Message, descriptors=1):
    """Dump all processes of a sandbox in which none runs; answered by `ProcessesDumped`.

    Beside it the socket for the answer.

    Attributes:
        name: of the sandbox.
        room: bytes that CRIU's images may take.
        pipes: inodes of the engine's pipes into the sandbox.
        stopped: pids of processes that were stopped before all were.
    """

    name: str
    room: int
    pipes: list[int]
    stopped: list[int]


class RestoreRequest(Message, descriptors=2):
    """Restore processes into a new sandbox, once `StreamsGiven` has come.

    Beside it the socket for that and for the answer, and the folder with CRIU's images.

    Attributes:
        name: of the sandbox.
        state: as it was dumped.
        masters: numbers of the terminals whose masters the engine wants.
    """

    name: str
    state: DumpedState
    masters: list[int]


class StreamsGiven(Message, descriptors=(0, 3)):
    """Restore them now; answered by `ProcessesRestored`.

    Beside it the processes' ends of the pipes of the main one.

    Attributes:
        streams: which pipes take the place of which.
    """

    streams: list[GivenPipe]


class ProcessesDumped(Message, descriptors=1):
    """Beside it the folder with CRIU's images."""

    state: DumpedState


class ProcessesRestored(Message, descriptors=(0, 1)):
    """Beside it the masters of the terminals that were asked for."""


class OperationRefused(Message):
    """It cannot be done to these processes.

    Attributes:
        reason: what is in the way.
    """

    reason: str


ENGINE_TO_CRIU_HELPER = family(StreamsGiven)
CRIU_HELPER_TO_ENGINE = family(ProcessesDumped, ProcessesRestored, OperationRefused, Failed)
