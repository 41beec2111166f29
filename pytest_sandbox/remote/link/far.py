"""The far end of links: accepts connections, and has a session for each near side."""

from __future__ import annotations

import asyncio
import hmac
import logging
import secrets
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, Protocol

from pytest_sandbox._shared.async_tasks import background
from pytest_sandbox._shared.network.engine_address import LEASES
from pytest_sandbox.server import counted_as

from .carrier import Carrier
from .frames import DamagedFrame
from .hello import (
    DamagedHello,
    Hello,
    LinkRefusal,
    Welcome,
    decode_hello,
    encode,
    own_version,
    versions,
)
from .session import Session
from .timing import Timing

if TYPE_CHECKING:
    from collections.abc import Callable

log = logging.getLogger("pytest_sandbox.remote")

#: Sessions at a time: each has an engine, which takes some 40 MB. Those that wait for a connection
#: give way to new ones.
MOST_SESSIONS = 64
#: Sessions of one address, so that no client shuts others out, however many it begins.
MOST_OF_ONE = 48


class SessionService(Protocol):
    """What serves one session."""

    def accept(self) -> asyncio.Protocol:
        """The protocol that runs on the session; called once."""

    async def end(self) -> None:
        """End all that the session made."""


class FarLink:
    """The far ends of all links of one process.

    Args:
        make: makes what serves a new session.
        protocol: what both sides have to agree on, besides the version of this package.
        token: what near sides have to show; empty if whoever reaches this may use it.
        machine: what this one is, for people.
        resumable: whether a near side can come back with another connection.
        timing: how long to wait for near sides.
    """

    def __init__(
        self,
        make: Callable[[], SessionService],
        protocol: str,
        token: str,
        *,
        machine: str = "",
        resumable: bool = True,
        timing: Timing | None = None,
    ) -> None:
        self._machine = machine
        self._resumable = resumable
        self._make = make
        self._protocol = protocol
        self._secret = token.encode()
        self._timing = timing or Timing()
        self._ends: dict[str, _FarEnd] = {}
        self._ending: dict[asyncio.Task[None], str] = {}  # for whom

    @property
    def sessions(self) -> int:
        """How many there are."""
        return len(self._ends)

    def connection(
        self, on_known: Callable[[Carrier], Callable[[], None]] | None = None
    ) -> Carrier:
        """What takes a new connection.

        Args:
            on_known: counts a connection until what it returns is called, when it has shown the
                token or has ended.
        """
        loop = asyncio.get_running_loop()
        done: list[Callable[[], object]] = []

        def on_made(carrier: Carrier) -> None:
            done.append(loop.call_later(self._timing.dial, carrier.transport.abort).cancel)
            if on_known is not None:
                done.append(on_known(carrier))

        def on_first(carrier: Carrier, first: bytes | Exception) -> None:
            for each in done:
                each()
            self._first(carrier, first)

        return Carrier(on_first, on_made)

    async def close(self) -> None:
        """End all sessions."""
        for end in list(self._ends.values()):
            end.session.end("pytest-sandbox serve was ended there")
        while self._ending:
            await asyncio.wait(self._ending)

    def _first(self, carrier: Carrier, first: bytes | Exception) -> None:
        if isinstance(first, OSError):
            return
        try:
            if isinstance(first, Exception):
                raise first
            self._take(carrier, decode_hello(first), counted_as(carrier.transport))
        except DamagedHello as error:
            log.warning("a connection was refused: it says %s", error)
            self._refuse(carrier, LinkRefusal("hello", "this is an engine of pytest-sandbox"))

    def _refuse(self, carrier: Carrier, refusal: LinkRefusal) -> None:
        # A client that speaks TLS, which this may not, sees from the answer that it does not.
        carrier.transport.write(encode(refusal))
        carrier.transport.close()

    def _take(self, carrier: Carrier, hello: Hello, place: str) -> None:
        if refusal := self._refusal(hello, place):
            log.warning("a connection was refused: %s", refusal.refused)
            self._refuse(carrier, refusal)
            return
        known = hello.session in self._ends
        end = self._ends[hello.session] if known else self._new(hello, place)
        end.stop_waiting()
        end.session.leave()
        carrier.transport.write(encode(Welcome(end.name, end.session.received, self._machine)))
        if not known:
            end.session.begin()
        try:
            carrier.carry(end.session, hello.received)
        except DamagedFrame as error:
            end.session.end(f"its near side lost count: {error}")
            carrier.transport.abort()

    def _refusal(self, hello: Hello, place: str) -> LinkRefusal | None:
        if not hmac.compare_digest(hello.token.encode(), self._secret):
            return LinkRefusal("token", "")
        if (hello.version, hello.protocol) != (own_version(), self._protocol):
            return LinkRefusal("version", versions(self._protocol))
        if hello.session and hello.session not in self._ends:
            return LinkRefusal("session", "it was started anew, or waited in vain for a connection")
        if not hello.session and (full := self._full(place)):
            return LinkRefusal("busy", full)
        return None

    def _full(self, place: str) -> str:
        """Why there can be no further session of an address; empty if there can.

        One that waits for a connection gives way: of that address, if it has its share, and else
        of the one that has most. Of several, the one that has waited longest.
        """
        count = Counter(end.place for end in self._ends.values())
        count.update(each for each in self._ending.values() if each == place)
        whole_share = count[place] >= MOST_OF_ONE
        if not whole_share and len(self._ends) < MOST_SESSIONS:
            return ""
        waiting = [
            (-count[end.place], end.waits_since, end)
            for end in self._ends.values()
            if end.waits_since is not None and (end.place == place or not whole_share)
        ]
        if waiting and list(self._ending.values()).count(place) < MOST_OF_ONE:
            end = min(waiting, key=lambda each: each[:2])[2]
            end.session.end("it had no connection, and another run needed its place")
            return ""
        if whole_share:
            return f"it serves {MOST_OF_ONE} runs of one address, and no more"
        return f"it serves {MOST_SESSIONS} runs, and no more"

    def _new(self, hello: Hello, place: str) -> _FarEnd:
        name = secrets.token_urlsafe(24)
        lease = min(max(hello.lease, LEASES[0]), LEASES[1]) if self._resumable else 0.0
        on_end = partial(self._over, name)
        end = _FarEnd(name, place, lease, self._make(), self._timing, on_end)
        self._ends[name] = end
        log.info("a run begins; there are %d", len(self._ends))
        return end

    def _over(self, name: str, reason: str) -> None:
        end = self._ends.pop(name)
        log.info("a run has ended: %s; there are %d", reason, len(self._ends))
        work = background(end.service.end())
        self._ending[work] = end.place
        work.add_done_callback(self._ended)

    def _ended(self, work: asyncio.Task[None]) -> None:
        self._ending.pop(work, None)
        if not work.cancelled() and (error := work.exception()) is not None:
            log.error("what a run made could not be ended", exc_info=error)


class _FarEnd:
    """A session, and what serves it.

    Attributes:
        name: which its near side knows it by.
        place: what its address counts as.
        service: what serves it.
        session: this end.
        waits_since: when its connection was lost, by the clock of the loop; `None` if it has one.
    """

    waits_since: float | None = None

    def __init__(
        self,
        name: str,
        place: str,
        lease: float,
        service: SessionService,
        timing: Timing,
        on_end: Callable[[str], None],
    ) -> None:
        self.name = name
        self.place = place
        self.service = service
        self._lease = lease
        self._timer: asyncio.TimerHandle | None = None
        self._on_end = on_end
        self.session = Session(service.accept(), timing, self._wait, self._finish)

    def stop_waiting(self) -> None:
        """There is a connection."""
        self.waits_since = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _wait(self, reason: str) -> None:
        log.warning("a connection was lost: %s; waiting %g s for another", reason, self._lease)
        over = f"no connection for {self._lease:g} s"
        loop = asyncio.get_running_loop()
        self.waits_since = loop.time()
        self._timer = loop.call_later(self._lease, self.session.end, over)

    def _finish(self, reason: str) -> None:
        self.stop_waiting()
        self._on_end(reason)
