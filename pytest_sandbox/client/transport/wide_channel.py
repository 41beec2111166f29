"""A gRPC channel with large HTTP/2 frames, made with parts of `grpclib` that are not public.

HTTP/2 begins with frames of 16 KiB (RFC 9113, SETTINGS_MAX_FRAME_SIZE), whatever
the windows are. Each frame costs both sides the same, so output streams at twice the speed with
large ones.

A lost connection ends the calls that it carries, but not those that wait to be sent because much
else is being sent: `grpclib` does not know of them yet. Here they are woken, and fail too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from grpclib.client import Channel, Handler
from grpclib.exceptions import StreamTerminatedError
from grpclib.protocol import H2Protocol
from h2.settings import SettingCodes

if TYPE_CHECKING:
    from asyncio import BaseTransport

    from grpclib.protocol import Stream
    from h2.connection import H2Connection
    from hpack import Encoder

#: Bytes of a frame that a server may send.
FRAME = 1024 * 1024


class _WideProtocol(H2Protocol):
    def connection_made(self, transport: BaseTransport) -> None:
        super().connection_made(transport)
        _h2_connection(self).update_settings({SettingCodes.MAX_FRAME_SIZE: FRAME})
        self.connection.flush()

    def connection_lost(self, exc: BaseException | None) -> None:
        super().connection_lost(exc)
        self.processor.register = _refuse  # type: ignore[method-assign]
        self.connection.write_ready.set()
        self.connection.stream_close_waiter.set()


def _refuse(stream: Stream) -> NoReturn:
    raise StreamTerminatedError("Connection lost")


def encode_headers_with(protocol: H2Protocol, encoder: Encoder) -> None:
    """Have a connection, of a client or a server, encode its headers in another way."""
    _h2_connection(protocol).encoder = encoder


def _h2_connection(protocol: H2Protocol) -> H2Connection:
    return protocol.connection._connection  # noqa: SLF001 - grpclib has no public name for it


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
