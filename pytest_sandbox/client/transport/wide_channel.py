"""A channel to a server of this package, with connections and calls of our own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from grpclib.client import Channel, Handler
from multidict import MultiDict

from .call_stream import CallStream
from .wide_protocol import WideProtocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from grpclib.const import Cardinality
    from grpclib.protocol import H2Protocol


class WideChannel(Channel):
    """A channel over which servers can send large frames."""

    #: Bytes of a message that a server may send.
    largest_message = 2**32

    def _protocol_factory(self) -> H2Protocol:
        return WideProtocol(Handler(), self._config, self._h2_config)

    def request(  # type: ignore[override]
        self,
        name: str,
        cardinality: Cardinality,
        request_type: type[Any],
        reply_type: type[Any],
        *,
        timeout: float | None = None,
        deadline: None = None,
        metadata: Mapping[str, str | bytes] | None = None,
    ) -> CallStream[Any, Any]:
        """A call, which is not begun."""
        return CallStream(
            self,
            name,
            MultiDict(metadata or ()),
            cardinality,
            request_type,
            reply_type,
            codec=self._codec,
            status_details_codec=self._status_details_codec,
            dispatch=self.__dispatch__,
            protocol=cast("WideProtocol", self._protocol) if self._connected else None,
            first=[
                (":method", "POST"),
                (":scheme", self._scheme),
                (":authority", self._authority),
            ],
            timeout=timeout,
            largest=self.largest_message,
        )

    def disown(self) -> None:
        """Never touch the connection again, not even when this object is freed.

        For a fork: closing the connection there would unregister it from the epoll(7) instance
        that parent and child share, and so from the parent's loop.
        """
        _disowned.append(self._protocol)
        self._protocol = None


_disowned: list[object] = []
