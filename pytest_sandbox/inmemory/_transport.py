"""HTTP/2 between a client and a server on one event loop, without a socket."""

import asyncio
from typing import TYPE_CHECKING

from pytest_sandbox.client.exceptions import ConnectionError as SandboxConnectionError
from pytest_sandbox.client.transport import WINDOWS, Server, WideChannel
from pytest_sandbox.rpcs import StatusDetails

if TYPE_CHECKING:
    from collections.abc import Callable

    from grpclib.protocol import H2Protocol

    from pytest_sandbox.fakes import VirtualClock
    from pytest_sandbox.server import RpcServer

#: Seconds that a call may wait on the server: more than three years, since no proxy or socket
#: between the two could time out.
_HOLD = 1e8


class MemoryServer(Server):
    """A server in this process.

    Args:
        server: makes it; called by the first connection, on the loop.
        clock: the time of both.
    """

    hold = _HOLD
    in_memory = True
    engine = "fake"

    def __init__(self, server: "Callable[[], RpcServer]", clock: "VirtualClock") -> None:
        self.clock = clock
        self._make = server
        self._made: RpcServer | None = None

    def channel(self) -> WideChannel:
        """A connection to it."""
        if self._made is None:
            self._made = self._make()
        return _MemoryChannel(self._made.accept)

    def unreachable(self, error: OSError) -> SandboxConnectionError:
        """What to raise when no connection can be made: this cannot be."""
        return SandboxConnectionError(f"the engine in memory cannot be reached: {error}")


class _MemoryChannel(WideChannel):
    def __init__(self, serve: "Callable[[], H2Protocol]") -> None:
        super().__init__(path="in memory", config=WINDOWS, status_details_codec=StatusDetails())
        self._serve = serve

    async def _create_connection(self) -> "H2Protocol":
        ours, theirs = self._protocol_factory(), self._serve()
        to_client, to_server = _MemoryTransport(), _MemoryTransport()
        to_server.connect(ours, theirs, to_client)
        to_client.connect(theirs, ours, to_server)
        ours.connection_made(to_server)
        theirs.connection_made(to_client)
        return ours


class _MemoryTransport(asyncio.Transport):
    """One end of a connection: what is written here, the other end receives at once.

    Both ends collect what they write in a turn of the event loop, and write it after that: see
    `JoinedWrites`. So none of them is in the middle of something when it receives.
    """

    def __init__(self) -> None:
        super().__init__()
        self._loop = asyncio.get_running_loop()
        self._closed = False

    def connect(
        self, own: asyncio.Protocol, other: asyncio.Protocol, back: "_MemoryTransport"
    ) -> None:
        """Say whose end this is, and where it leads."""
        self._own = own
        self._other = other
        self._back = back

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send."""
        if data and not self._closed and not self._back.is_closing():
            self._other.data_received(bytes(data))

    def get_write_buffer_size(self) -> int:
        """Bytes that the other end has not read: none, since it reads at once."""
        return 0

    def is_closing(self) -> bool:
        """Whether it was closed, from here or there."""
        return self._closed

    def close(self) -> None:
        """End the connection, after what was written."""
        if not self._closed:
            self._closed = True
            self._loop.call_soon(self._own.connection_lost, None)
            self._loop.call_soon(self._back.close)
            del self._own, self._other, self._back  # which refer to this

    def abort(self) -> None:
        """The same: nothing is buffered here."""
        self.close()
