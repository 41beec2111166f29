"""A gRPC channel with large HTTP/2 frames, made with parts of `grpclib` that are not public.

HTTP/2 begins with frames of 16 KiB (RFC 9113, SETTINGS_MAX_FRAME_SIZE), whatever
the windows are. Each frame costs both sides the same, so output streams at twice the speed with
large ones.

A lost connection ends the calls that it carries, but not those that wait to be sent because much
else is being sent: `grpclib` does not know of them yet. Here they are woken, and fail too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn, cast

from grpclib.client import Channel, Handler
from grpclib.exceptions import StreamTerminatedError
from grpclib.protocol import Connection, EventsProcessor, H2Protocol
from h2.connection import H2Connection
from h2.settings import SettingCodes

from pytest_sandbox._http2 import FIRST_WINDOW, JoinedWrites, OneBuffer, PlainConnection

if TYPE_CHECKING:
    from asyncio import BaseTransport, Transport

    from grpclib.protocol import Stream

#: Bytes of a frame that a server may send.
FRAME = 1024 * 1024


class _WideProtocol(H2Protocol, OneBuffer):
    """Does what grpclib does, with a connection of our own."""

    def connection_made(self, transport: BaseTransport) -> None:
        frames = PlainConnection(
            H2Connection(config=self.h2_config),
            {
                SettingCodes.INITIAL_WINDOW_SIZE: self.config.http2_stream_window_size,
                SettingCodes.MAX_FRAME_SIZE: FRAME,
            },
        )
        frames.initiate_connection()
        if more := self.config.http2_connection_window_size - FIRST_WINDOW:
            frames.increment_flow_control_window(more)
        joined = JoinedWrites(cast("Transport", transport))
        self.connection = Connection(cast("H2Connection", frames), joined, config=self.config)
        self.connection.flush()
        self.connection.initialize()
        self.processor = EventsProcessor(self.handler, self.connection)

    def connection_lost(self, exc: BaseException | None) -> None:
        super().connection_lost(exc)
        self.processor.register = _refuse  # type: ignore[method-assign]
        self.connection.write_ready.set()
        self.connection.stream_close_waiter.set()


def _refuse(stream: Stream) -> NoReturn:
    raise StreamTerminatedError("Connection lost")


class WideChannel(Channel):
    """A channel over which servers can send large frames."""

    def _protocol_factory(self) -> H2Protocol:
        return _WideProtocol(Handler(), self._config, self._h2_config)

    def disown(self) -> None:
        """Never touch the connection again, not even when this object is freed.

        For a fork: closing the connection there would unregister it from the epoll(7) instance
        that parent and child share, and so from the parent's loop.
        """
        _disowned.append(self._protocol)
        self._protocol = None


_disowned: list[object] = []
