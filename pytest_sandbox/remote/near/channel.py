"""The channel over which the calls of an engine are made."""

from __future__ import annotations

from typing import TYPE_CHECKING

from grpclib.config import Configuration

from pytest_sandbox.client.transport import WINDOW, WideChannel

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from grpclib.protocol import H2Protocol

#: Bytes that may come of all calls together, ahead of those who read: as many as HTTP/2 can count
#: (RFC 9113, section 6.9.1), for what nobody reads of one call must not hold up others. What each
#: call may take is bounded, and this side makes the calls.
_ALL_CALLS = 2**31 - 1


class FarChannel(WideChannel):
    """A channel to a far side, which is not trusted with the memory of this process.

    It connects once: a session has one connection, whatever carries it.

    Args:
        connect: connects what is served by it.
    """

    largest_message = 64 * 1024 * 1024

    def __init__(
        self, connect: Callable[[Callable[[], H2Protocol]], Awaitable[H2Protocol]]
    ) -> None:
        windows = Configuration(
            http2_stream_window_size=WINDOW, http2_connection_window_size=_ALL_CALLS
        )
        super().__init__(path="far side", config=windows)
        self._connect = connect

    async def _create_connection(self) -> H2Protocol:
        return await self._connect(self._protocol_factory)
