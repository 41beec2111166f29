"""One call, as the handler of its RPC sees it besides the request."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from grpclib.metadata import Deadline
from grpclib.server import Stream

from .answers import AnsweringStream, Room
from .auth import ListenerConfig

#: A stream of messages of any type, as grpclib gives it to what serves a call.
AnyStream = Stream[Any, Any]
#: What grpclib calls to serve a call.
Serve = Callable[[AnyStream], Awaitable[None]]

#: Metadata: the name that a client gives itself, so that several can share an engine; see `Rpcs`.
CALLER = "x-sandbox-caller"
#: Metadata: the same in each attempt to make a call that creates something.
IDEMPOTENCY_KEY = "x-idempotency-key"


async def unlimited(most: int) -> int:
    """The `room` of who has enough of it."""
    return most


class ServedCall:
    """A call that is being served.

    Args:
        rpc: name of the RPC.
        listener: where the call came in.
        metadata: what the client sent beside the request.
        deadline: when the client gives it up; `None` if it does not.
        room: waits until the client takes more of a stream of responses, and returns how many of so
            many bytes the next one may have. Handlers ask it before they make a large response.

    Attributes:
        task_id: command router only: the task that the caller's token is for.
        initial_metadata: what goes back to the client ahead of the response.
        lost: whether the call ended without a response: its client is gone, or has cancelled it.
        on_lost: called then.
    """

    __slots__ = (
        "deadline",
        "initial_metadata",
        "listener",
        "lost",
        "metadata",
        "on_lost",
        "room",
        "rpc",
        "task_id",
    )

    def __init__(
        self,
        rpc: str,
        listener: ListenerConfig,
        metadata: Mapping[str, str | bytes],
        room: Room = unlimited,
        deadline: Deadline | None = None,
    ) -> None:
        self.deadline = deadline
        self.rpc = rpc
        self.listener = listener
        self.metadata = metadata
        self.room = room
        self.task_id = ""
        self.initial_metadata: Mapping[str, str | bytes] = {}
        self.lost = False
        self.on_lost: Callable[[], None] = _nothing

    def lose(self) -> None:
        """Say that the call ended without a response."""
        self.lost = True
        self.on_lost()

    def forget_stream(self) -> None:
        """Its handler is done: hold nothing that is larger than the response."""
        self.metadata, self.room = {}, unlimited

    def header(self, name: str) -> str:
        """A text entry of the metadata; empty if absent."""
        value = self.metadata.get(name, "")
        return value if isinstance(value, str) else ""


def room_of(stream: AnyStream) -> Room:
    """The `room` of a call; as much as it likes on a stream that something was put in front of."""
    # grpclib has no public name for it.
    frames = getattr(stream, "_stream", None)
    return frames.room if isinstance(frames, AnsweringStream) else unlimited


def _nothing() -> None:
    pass
