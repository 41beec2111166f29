"""Connections to one of Modal's servers, opened on demand."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from typing import TYPE_CHECKING

from grpclib import GRPCError, Status
from grpclib.exceptions import StreamTerminatedError

from pytest_sandbox._shared.async_tasks import at_most
from pytest_sandbox._shared.network.http_proxy import ProxyRefused
from pytest_sandbox._shared.network.trusted import why_not_trusted

from .channel import CALLS, CloudChannel

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

#: Seconds that a connection may take, where there is another server to try.
_FIRST = 3.0


class Connections:
    """The connections to one server.

    Args:
        urls: where it is; the first that can be connected to is used.
        patience: seconds for which the first connection is tried again, as a worker that starts
            needs.
    """

    def __init__(self, urls: Sequence[str], patience: float = 0.0) -> None:
        self.urls = tuple(urls)
        self._patience = patience
        self._links: list[_Link] = []
        self._connecting = asyncio.Lock()

    @contextlib.asynccontextmanager
    async def channel(self) -> AsyncIterator[CloudChannel]:
        """A connection with room for one more call.

        Raises:
            GRPCError: UNAVAILABLE, there is none, or it breaks; DEADLINE_EXCEEDED.
        """
        link = await self._roomy()
        link.calls += 1
        try:
            yield link.channel
        except asyncio.TimeoutError:
            raise GRPCError(Status.DEADLINE_EXCEEDED, f"{link.url} gave no answer") from None
        except StreamTerminatedError as error:
            raise _broken(link, str(error)) from None
        except OSError as error:
            raise _broken(link, _words(error)) from None
        finally:
            link.calls -= 1

    def close(self) -> None:
        """Close them; calls under way fail."""
        for link in self._links:
            link.channel.close()
        self._links.clear()

    async def _roomy(self) -> _Link:
        if (link := self._with_room()) is not None:
            return link
        async with self._connecting:
            if (link := self._with_room()) is None:
                link = await self._connected()
                self._links.append(link)
            return link

    def _with_room(self) -> _Link | None:
        # Lost ones are not connected again: another of the servers may be the one that answers.
        for link in [link for link in self._links if link.channel.is_lost]:
            self._links.remove(link)
            link.channel.close()
        return next((link for link in self._links if link.calls < CALLS), None)

    async def _connected(self) -> _Link:
        loop = asyncio.get_running_loop()
        until, delay = loop.time() + self._patience, 0.1
        while True:
            try:
                link = await self._first_of_all()
            except (OSError, asyncio.TimeoutError) as error:
                lasting = isinstance(error, (ssl.SSLError, ProxyRefused))
                if lasting or loop.time() + delay > until:
                    raise GRPCError(
                        Status.UNAVAILABLE,
                        f"cannot connect to {' or '.join(self.urls)}: {_words(error)}",
                    ) from None
            else:
                self._patience = 0.0  # it has started
                return link
            await asyncio.sleep(delay)
            delay = min(2 * delay, 5.0)

    async def _first_of_all(self) -> _Link:
        *others, last = self.urls
        for url in others:
            with contextlib.suppress(OSError, asyncio.TimeoutError):
                return await at_most(_FIRST, _open(url), lambda late: late.channel.close())
        return await _open(last)


class _Link:
    """A connection to a server, and how many calls are under way on it."""

    def __init__(self, url: str, channel: CloudChannel) -> None:
        self.url = url
        self.channel = channel
        self.calls = 0


async def _open(url: str) -> _Link:
    channel = CloudChannel(url)
    try:
        await channel.__connect__()
    except BaseException:
        channel.close()
        raise
    return _Link(url, channel)


def _broken(link: _Link, why: str) -> GRPCError:
    return GRPCError(Status.UNAVAILABLE, f"the connection to {link.url} failed: {why}")


def _words(error: BaseException) -> str:
    if isinstance(error, asyncio.TimeoutError):
        return "no answer in time"
    return why_not_trusted(error) or str(error) or type(error).__name__
