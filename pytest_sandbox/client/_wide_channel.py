"""What `grpclib` has no setting for; the one place that goes below its surface.

HTTP/2 begins with frames of 16 KiB (RFC 9113, SETTINGS_MAX_FRAME_SIZE), whatever
the windows are. Each frame costs both sides the same, so output streams at twice the speed with
large ones.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from grpclib.client import Channel, Handler
from grpclib.protocol import H2Protocol
from h2.settings import SettingCodes

if TYPE_CHECKING:
    from asyncio import BaseTransport

#: Bytes of a frame that a server may send.
FRAME = 1024 * 1024


class _WideProtocol(H2Protocol):
    def connection_made(self, transport: BaseTransport) -> None:
        super().connection_made(transport)
        self.connection._connection.update_settings({SettingCodes.MAX_FRAME_SIZE: FRAME})
        self.connection.flush()


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
