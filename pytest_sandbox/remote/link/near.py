"""The near end of a link: connects, and connects again when a connection is lost."""

from __future__ import annotations

import asyncio
import logging
import math
from typing import TYPE_CHECKING, TypeVar

from pytest_sandbox._shared.async_tasks import at_most, background
from pytest_sandbox.engine import EngineUnavailable

from ..near.channel import FarChannel
from ..near.connection import FarConnection
from . import frames
from .carrier import in_words
from .dialing import dial
from .frames import DamagedFrame
from .hello import Hello, own_version, printable
from .session import Session
from .ssh import dial_by_ssh
from .timing import Timing

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_sandbox._shared.network.engine_address import RemoteAddress

    from .carrier import Carrier
    from .hello import Welcome

log = logging.getLogger("pytest_sandbox.remote")


P = TypeVar("P", bound=asyncio.Protocol)


class NearLink(FarConnection):
    """A session with a far side.

    Args:
        address: of the far side.
        protocol: what both sides have to agree on, besides the version of this package.
        timing: how long to wait for it.

    Attributes:
        channel: for stubs of grpclib; usable once connected.
        machine: where the far side is.
        over: done, with the reason, when the session is over.
    """

    def __init__(self, address: RemoteAddress, protocol: str, timing: Timing | None = None) -> None:
        self.channel = FarChannel(self.open)
        self.machine = address.place
        self.over: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._address = address
        self._protocol = protocol
        self._timing = timing or Timing()
        self._token = ""  # of the session
        self._session: Session | None = None
        self._work: asyncio.Task[None] | None = None
        self._carrier: Carrier | None = None

    @property
    def reason(self) -> str:
        """Why the session is over; empty while it is not."""
        return self.over.result() if self.over.done() else ""

    async def connect(self) -> None:
        """Connect for the first time.

        Raises:
            EngineUnavailable: the far side cannot be reached, is not the right one, or refuses.
        """
        try:
            # grpclib connects with the first call; this is so that errors are raised here.
            await self.channel.__connect__()
        except (OSError, asyncio.TimeoutError) as error:
            raise _unreachable(self._address, self._timing, error) from error

    async def open(self, make: Callable[[], P]) -> P:
        """Connect for the first time, for what runs on the session: not for users of `channel`.

        Raises:
            EngineUnavailable: as `connect`, or the session is over.
            OSError, asyncio.TimeoutError: the far side cannot be reached.
        """
        if self._session is not None:
            reason = self.reason or "its connection failed"
            raise EngineUnavailable(f"the engine at {self._address.place} is gone: {reason}")
        carrier, welcome = await self._dial()
        served = make()
        self._token = welcome.session
        self._session = Session(served, self._timing, self._lost, self._finish)
        self._session.begin()
        self._carrier = carrier
        carrier.carry(self._session, 0)
        return served

    async def close(self) -> None:
        """End the session; the far side ends what it made. A second call does nothing."""
        if self._session is not None:
            self._session.close()
        self._finish("it was closed")
        self.channel.close()
        if self._work is not None:
            self._work.cancel()
        if self._carrier is not None:
            await self._carrier.closed(self._timing.ping)

    async def _dial(self, limit: float = math.inf) -> tuple[Carrier, Welcome]:
        received = self._session.received if self._session else 0
        return await _dial(
            self._address, self._protocol, self._timing, self._token, received, limit
        )

    def _lost(self, reason: str) -> None:
        if self._address.scheme == "ssh":  # the far side ends with its connection
            assert self._session is not None
            self._session.end(f"the connection was lost: {reason}")
            return
        log.warning("the connection to %s was lost: %s", self._address.place, reason)
        self._work = background(self._again(reason))

    async def _again(self, lost: str) -> None:
        """Connect again, while the far side may still have the session."""
        session, loop = self._session, asyncio.get_running_loop()
        assert session is not None
        refused_since = loop.time()
        over = refused_since - session.silent + self._address.lease
        while (now := loop.time()) < over:
            try:
                carrier, welcome = await self._dial(over - now)
                self._carrier = carrier
                carrier.carry(session, welcome.received)
            except EngineUnavailable as error:
                session.end(f"the connection was lost ({lost}), and {error}")
                return
            except DamagedFrame as error:
                session.end(f"{self._address.place} lost count: {error}")
                return
            except ConnectionRefusedError as error:
                if now >= refused_since + self._timing.refused:
                    session.end(f"the connection was lost ({lost}), and now {in_words(error)}")
                    return
            except (OSError, asyncio.TimeoutError):
                refused_since = loop.time()
            else:
                log.warning("connected to %s again", self._address.place)
                return
            await asyncio.sleep(self._timing.retry)
        session.end(f"the connection was lost ({lost}) for {self._address.lease:g} s")

    def _finish(self, reason: str) -> None:
        if not self.over.done():
            self.over.set_result(reason)


async def probe(address: RemoteAddress, protocol: str) -> str:
    """Connect and say good-bye; what the machine of the far side is.

    Raises:
        EngineUnavailable: as `NearLink.connect`.
    """
    timing = Timing()
    try:
        carrier, welcome = await _dial(address, protocol, timing)
    except (OSError, asyncio.TimeoutError) as error:
        raise _unreachable(address, timing, error) from error
    carrier.transport.write(frames.end("it was a probe"))
    carrier.transport.close()
    await carrier.closed(timing.ping)
    return printable(welcome.machine)


async def _dial(
    address: RemoteAddress,
    protocol: str,
    timing: Timing,
    session: str = "",
    received: int = 0,
    limit: float = math.inf,
) -> tuple[Carrier, Welcome]:
    hello = Hello(address.token, own_version(), protocol, session, received, address.lease)
    work = (dial_by_ssh if address.scheme == "ssh" else dial)(address, hello)
    return await at_most(min(limit, timing.dial), work, lambda late: late[0].transport.abort())


def _unreachable(address: RemoteAddress, timing: Timing, error: BaseException) -> EngineUnavailable:
    why = (
        f"nothing came for {timing.dial:g} s"
        if isinstance(error, asyncio.TimeoutError)
        else in_words(error)
    )
    return EngineUnavailable(
        f"{address.place} cannot be reached: {why}",
        "Does it speak TLS? Then the address begins with grpc+tls://."
        if address.scheme == "grpc" and isinstance(error, ConnectionResetError)
        else "Is `pytest-sandbox serve --listen` running there, and does a firewall let its port "
        "through?",
    )
