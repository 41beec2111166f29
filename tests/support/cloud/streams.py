"""The stream of a call, between the cloud and the server behind it."""

from collections.abc import Callable
from typing import Any

from google.protobuf.message import Message

#: Gives the message to take in the place of another.
Change = Callable[[Any], Any]


class WatchedStream:
    """A stream whose messages are changed on their way.

    Args:
        stream: in front of it.
        request: changes what the client sends.
        response: changes what the server answers; `None` in its place loses the call.

    Attributes:
        received: whether the client's first message was asked for.
    """

    received = False

    def __init__(self, stream: Any, request: Change, response: Change) -> None:
        self._stream = stream
        self._request = request
        self._response = response
        self.metadata = stream.metadata
        self.peer = stream.peer
        self.deadline = stream.deadline

    async def recv_message(self) -> Any:
        """The next message of the client."""
        self.received = True
        message = await self._stream.recv_message()
        return None if message is None else self._request(message)

    async def send_initial_metadata(self, *, metadata: Any = None) -> None:
        """Send what comes ahead of the answer, but for what only servers of ours say."""
        theirs = {n: v for n, v in (metadata or {}).items() if not n.startswith("x-sandbox-")}
        await self._stream.send_initial_metadata(metadata=theirs)

    async def send_message(self, message: Message) -> None:
        """Send an answer."""
        changed = self._response(copied(message))
        if changed is not None:
            await self._stream.send_message(changed)

    async def cancel(self) -> None:
        """Reset the call."""
        await self._stream.cancel()


def copied(message: Any) -> Any:
    """A message of its own: a server may answer a repeated call with the same one."""
    copy = type(message)()
    copy.CopyFrom(message)
    return copy
