"""Connections to one of Modal's servers, opened on demand."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import ssl
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from grpclib import GRPCError, Status
from grpclib.client import Channel
from grpclib.config import Configuration
from grpclib.exceptions import StreamTerminatedError

from pytest_sandbox.rpcs import StatusDetails

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

#: Calls on one connection at a time: servers take a hundred.
CALLS = 64
#: Bytes that may be received ahead of their reader, per call.
WINDOW = 4 * 2**20
#: Seconds without anything received after which the other end is asked for a sign of life, and in
#: which that must come.
_PING, _PONG = 30.0, 10.0
#: Seconds that a connection may take, where there is another server to try.
_FIRST = 3.0


class Connections:
    """The connections to one server.

    Args:
        urls: where it is; the first that can be connected to is used.
        patience: seconds for which connecting is repeated, as a worker that starts needs.
    """

    def __init__(self, urls: Sequence[str], patience: float = 0.0) -> None:
        self.urls = tuple(urls)
        self._patience = patience
        self._links: list[_Link] = []
        self._connecting = asyncio.Lock()

    @property
    def host(self) -> str:
        """The name of the server."""
        return urlsplit(self.urls[0]).hostname or ""

    @contextlib.asynccontextmanager
    async def channel(self) -> AsyncIterator[Channel]:
        """A connection with room for one more call.

        Raises:
            GRPCError: UNAVAILABLE, there is none, or it breaks; DEADLINE_EXCEEDED.
        """
        link = await self._roomy()
        link.calls += 1
        try:
            yield link.channel
        except asyncio.TimeoutError:
            raise GRPCError(Status.DEADLINE_EXCEEDED, f"{self.urls[0]} gave no answer") from None
        except StreamTerminatedError as error:
            raise self._broken(str(error)) from None
        except OSError as error:
            raise self._broken(_words(error)) from None
        finally:
            link.calls -= 1

    def close(self) -> None:
        """Close them; calls under way fail."""
        for link in self._links:
            link.channel.close()
        self._links.clear()

    def _broken(self, why: str) -> GRPCError:
        return GRPCError(Status.UNAVAILABLE, f"the connection to {self.urls[0]} failed: {why}")

    async def _roomy(self) -> _Link:
        if (link := self._with_room()) is not None:
            return link
        async with self._connecting:
            if (link := self._with_room()) is None:
                link = _Link(await self._connected())
                self._links.append(link)
            return link

    def _with_room(self) -> _Link | None:
        return next((link for link in self._links if link.calls < CALLS), None)

    async def _connected(self) -> Channel:
        loop = asyncio.get_running_loop()
        until, delay = loop.time() + self._patience, 0.1
        while True:
            try:
                return await self._first_of_all()
            except (OSError, asyncio.TimeoutError) as error:
                if loop.time() + delay > until or isinstance(error, ssl.SSLError):
                    raise GRPCError(
                        Status.UNAVAILABLE,
                        f"cannot connect to {' or '.join(self.urls)}: {_words(error)}",
                    ) from None
            await asyncio.sleep(delay)
            delay = min(2 * delay, 5.0)

    async def _first_of_all(self) -> Channel:
        *others, last = self.urls
        for url in others:
            with contextlib.suppress(OSError, asyncio.TimeoutError):
                return await asyncio.wait_for(_open(url), _FIRST)
        return await _open(last)


class _Link:
    """A connection, and how many calls are under way on it."""

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self.calls = 0


async def _open(url: str) -> Channel:
    parts = urlsplit(url)
    secure = parts.scheme == "https"
    configuration = Configuration(
        _keepalive_time=_PING,
        _keepalive_timeout=_PONG,
        _keepalive_permit_without_calls=True,
        # The default, 300 s, would hold back the pings above.
        _http2_min_sent_ping_interval_without_data=_PING / 2,
        http2_stream_window_size=WINDOW,
        # As large as those of all calls together, or unread output of some would block the others.
        http2_connection_window_size=CALLS * WINDOW,
    )
    channel = Channel(
        parts.hostname,
        parts.port or (443 if secure else 80),
        ssl=_tls(os.environ.get("SSL_CERT_FILE")) if secure else None,
        config=configuration,
        status_details_codec=StatusDetails(),
    )
    try:
        await channel.__connect__()
    except BaseException:
        channel.close()
        raise
    return channel


@functools.cache
def _tls(file: str | None) -> ssl.SSLContext:
    """Trusts `SSL_CERT_FILE`, or else what this machine trusts and the certificates of certifi."""
    context = ssl.create_default_context()
    if file is None:
        with contextlib.suppress(ImportError):
            import certifi

            context.load_verify_locations(certifi.where())
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["h2"])
    return context


def _words(error: BaseException) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {error.verify_message}"
    return str(error) or type(error).__name__
