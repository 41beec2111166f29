"""One connection of a client, and the memory that it can take.

grpclib reads messages of any size, and keeps what a client reset before its call had begun.
"""

import logging
import time
from asyncio import BaseTransport, Transport
from collections.abc import Callable
from functools import partial
from socket import socket
from typing import Any, cast

from grpclib import GRPCError, Status
from grpclib.config import Configuration
from grpclib.protocol import (
    AbstractHandler,
    Connection,
    EventsProcessor,
    H2Protocol,
    Peer,
    Stream,
)
from grpclib.utils import Wrapper
from h2.config import H2Configuration
from h2.events import Event, StreamReset, UnknownFrameReceived
from h2.settings import SettingCodes

from pytest_sandbox._http2 import FIRST_WINDOW, JoinedWrites, OneBuffer, PlainConnection

from .answers import AnsweringConnection, AnsweringStream
from .received import MOST_SETTINGS, Frames, ReceivedData
from .strangers import Strangers
from .turns import SHORT_TURN, TURN, Turns

log = logging.getLogger("pytest_sandbox.server")

#: Bytes of one message: as many as Modal's clients allow, which is more than they send.
LARGEST_MESSAGE = 100 * 2**20
#: Bytes of all messages of a connection that are on their way or that a handler has not answered.
LARGEST_MESSAGES = 512 * 2**20
#: Calls under way. h2 allows 100, while a client can keep several open for each sandbox, for as
#: long as that lives.
MOST_CALLS = 10_000
#: Bytes of a frame that our own client may send: those that HTTP/2 begins with cost input half of
#: its speed.
_PLAIN_FRAME = 1024 * 1024


class ServedProtocol(H2Protocol, OneBuffer):
    """Does what grpclib does, with connections and streams of our own.

    Args:
        refuses: says why the peer is not served; `None` serves all.
        strangers: counts connections without a token; `None` if nobody needs one.
        in_turns: whether other connections get their turn while much is received.
        plain: whether the peer is a process of this user; see `PlainConnection`.
    """

    def __init__(
        self,
        handler: AbstractHandler,
        config: Configuration,
        h2_config: H2Configuration,
        *,
        refuses: Callable[[socket], str] | None,
        strangers: Strangers | None,
        in_turns: bool,
        plain: bool,
    ) -> None:
        super().__init__(handler, config, h2_config)
        self._plain = plain
        self._refuses = refuses
        self._refused = False
        self._strangers = strangers
        self._in_turns = in_turns
        self._receive = self._work
        self._connected: Transport | None = None

    def connection_made(self, transport: BaseTransport) -> None:
        """Begin a connection, if its peer is served."""
        transport = cast("Transport", transport)
        refuses = self._refuses
        if refuses is not None and (reason := refuses(transport.get_extra_info("socket"))):
            log.warning("a connection was refused: %s", reason)
            self._refused = True
            self.handler.close()
            transport.abort()
            return
        self._transport = self._connected = transport = JoinedWrites(transport)
        if self._plain:
            settings = {**_settings(self.config), SettingCodes.MAX_FRAME_SIZE: _PLAIN_FRAME}
            frames = cast("Frames", PlainConnection(Frames, self.h2_config, settings))
        else:
            frames = Frames(config=self.h2_config)
        self._frames = frames
        frames.initiate_connection()
        connection = _Connection(frames, transport, config=self.config)
        self.connection = connection
        if self._strangers is not None:
            connection.is_known = self._strangers.add(transport)
            connection.flush()
        else:
            connection.let_in()
        connection.initialize()
        self.processor = _Events(self.handler, connection)
        if self._in_turns:
            turns = Turns(transport, self._work, TURN if connection.known else SHORT_TURN)
            connection.turns = turns
            self._receive = turns.receive

    def data_received(self, data: bytes) -> None:
        """Work on what came."""
        self._receive(data)

    def _work(self, data: bytes) -> None:
        try:
            super().data_received(data)
        except Exception as error:  # of h2, which says of some frames only that they surprise it
            log.warning("a connection was ended: what it sent cannot be read: %r", error)
            self._end()
        else:
            if cast("_Connection", self.connection).settings > MOST_SETTINGS:
                log.warning("a connection was ended: it sets what does not exist")
                self._end()

    def _end(self) -> None:
        self._transport.abort()

    def close(self) -> None:
        """End the connection, if there is one yet, after what was written."""
        if self._connected is not None:
            self._connected.close()

    def connection_lost(self, exc: BaseException | None) -> None:
        """End all calls."""
        if not self._refused:
            cast("_Connection", self.connection).is_known()
            super().connection_lost(exc)
            cast("_Connection", self.connection).turns = None  # refers to this
            self._frames.forget()
        del self._receive  # so does this


class _Connection(AnsweringConnection):
    """A connection that counts the bytes of its messages.

    Attributes:
        held: bytes of messages that were announced, and whose calls have not ended.
        known: whether a token was shown, or none is needed.
        turns: those of the connection, if it has some.
        is_known: called when a token was shown, and when the connection ends.
    """

    held = 0

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.is_known: Callable[[], None] = _nothing
        self.known = False
        self.turns: Turns | None = None

    @property
    def settings(self) -> int:
        """How many settings the client has set."""
        return len(self._connection.remote_settings)

    def let_in(self) -> None:
        """Take as much from the client as one with a token may send.

        Until then it has the windows and the number of calls that HTTP/2 and h2 begin with.
        """
        if self.known:
            return
        self.known = True
        self.is_known()
        if self.turns is not None:
            self.turns.turn = TURN
        frames, config = self._connection, self._config
        if more := config.http2_connection_window_size - FIRST_WINDOW:
            frames.increment_flow_control_window(more)
        settings = _settings(config)
        if not settings.items() <= frames.local_settings.items():
            frames.update_settings(settings)
        self.flush()

    def create_stream(
        self, *, stream_id: int | None = None, wrapper: Wrapper | None = None
    ) -> Stream:
        """The stream of a new call."""
        return _Stream(
            self, self._connection, self._transport, stream_id=stream_id, wrapper=wrapper
        )

    def get_peer(self) -> Peer:
        """The other end."""
        return _Peer(self._transport, self)


class _Peer(Peer):
    """The other end of a connection, as handlers are given it."""

    def __init__(self, transport: Transport, connection: _Connection) -> None:
        super().__init__(transport)
        self.connection = connection


def let_in(peer: Peer) -> None:
    """Say that a peer has shown a token."""
    if isinstance(peer, _Peer):
        peer.connection.let_in()


class _Stream(AnsweringStream):
    """A stream that refuses messages which are too large before they come."""

    connection: _Connection
    held = 0
    release: Callable[[], None]

    def init_stream(self, stream_id: int, connection: Connection) -> None:
        """Begin as one of a connection; not as grpclib does, which makes a queue for nothing."""
        self.id = stream_id
        self.buffer = ReceivedData(partial(connection.ack, stream_id))
        connection.streams_started += 1
        self.created = connection.last_stream_created = time.monotonic()

    async def recv_data(self, size: int) -> bytes:
        """Bytes of a message, all that are left or its head.

        Raises:
            GRPCError: RESOURCE_EXHAUSTED: the message is too large, by itself or with others.
        """
        if size > LARGEST_MESSAGE:
            raise _exhausted(
                f"a message of {size} bytes is larger than {LARGEST_MESSAGE}, the limit"
            )
        # A call has one message at a time: the one before was consumed.
        total = self.connection.held - self.held + size
        if total > LARGEST_MESSAGES:
            raise _exhausted(
                f"the messages under way on this connection would take {total} bytes, more than "
                f"{LARGEST_MESSAGES}, the limit: wait for calls to end"
            )
        self.connection.held, self.held = total, size
        return await self.buffer.read(size)

    def forget(self) -> None:
        """Count its messages no more."""
        super().forget()
        self.connection.held -= self.held
        self.held = 0


class _Events(EventsProcessor):
    """Releases each stream once, also if its call was reset before it had begun.

    The task of such a call never runs, and grpclib has it release the stream.
    """

    def process(self, event: Event) -> None:
        """Act on what came; frames of unknown types are ignored: RFC 9113, section 5.5."""
        if not isinstance(event, UnknownFrameReceived):
            super().process(event)

    def register(self, stream: Stream) -> Callable[[], None]:
        """Take on a stream; what releases it."""
        release = super().register(stream)
        served = cast("_Stream", stream)

        def release_once() -> None:
            if stream.id in self.streams:
                release()
                served.forget()
                served.release = _nothing  # it refers to the stream

        served.release = release_once
        return release_once

    def process_stream_reset(self, event: StreamReset) -> None:
        """Cancel a call."""
        stream = self.streams.get(event.stream_id)
        super().process_stream_reset(event)
        if stream is not None:
            cast("_Stream", stream).release()


def _settings(config: Configuration) -> dict[SettingCodes | int, int]:
    """What a client may do that is let in."""
    return {
        SettingCodes.INITIAL_WINDOW_SIZE: config.http2_stream_window_size,
        SettingCodes.MAX_CONCURRENT_STREAMS: MOST_CALLS,
    }


def _exhausted(message: str) -> GRPCError:
    return GRPCError(Status.RESOURCE_EXHAUSTED, message)


def _nothing() -> None:
    pass
