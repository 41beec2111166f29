"""A network without sockets, in virtual time: a test decides when it is down, and for how long."""

from __future__ import annotations

import asyncio
import selectors
from collections import deque
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from pytest_sandbox._shared.network.engine_address import RemoteAddress
from pytest_sandbox.remote.far.service import FarService
from pytest_sandbox.remote.link import near as near_module
from pytest_sandbox.remote.link.carrier import Carrier
from pytest_sandbox.remote.link.dialing import resolver, say_hello
from pytest_sandbox.remote.link.far import FarLink
from pytest_sandbox.remote.link.near import NearLink
from pytest_sandbox.remote.near.engine import RemoteEngine

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Mapping

    import pytest

    from pytest_sandbox.engine import Clock, Engine
    from pytest_sandbox.remote.link.hello import Hello, Welcome

T = TypeVar("T")
#: Seconds that a message is on its way.
WAY = 0.01


class _Skipping(selectors.DefaultSelector):
    """Waits for no timer: time passes at once."""

    now = 0.0

    def select(self, timeout: float | None = None) -> Any:
        ready = super().select(0 if timeout is not None else None)
        if not ready and timeout is not None:
            self.now += max(timeout, 1e-6)
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose time is virtual: it skips to the next timer when nothing can run."""

    def __init__(self) -> None:
        self._skipping = _Skipping()
        super().__init__(self._skipping)

    def time(self) -> float:
        return self._skipping.now

    def run_in_executor(  # type: ignore[override]
        self, executor: object, work: Callable[..., T], *args: Any
    ) -> asyncio.Future[T]:
        """Do it here: while another thread does it, the loop would skip from timer to timer."""
        done: asyncio.Future[T] = self.create_future()
        try:
            done.set_result(work(*args))
        except Exception as error:
            done.set_exception(error)
        return done


def in_virtual_time(main: Coroutine[Any, Any, T]) -> T:
    """Run to its end on a loop of its own."""
    loop = VirtualLoop()
    try:
        return loop.run_until_complete(asyncio.wait_for(main, 3600))
    finally:
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()


class CableEnd(asyncio.Transport):
    """One end of a connection."""

    other: CableEnd

    def __init__(self, network: Network, carrier: Carrier, host: str) -> None:
        super().__init__()
        self.network = network
        self.carrier = carrier
        self.host = host
        self.closed = False
        self._arriving: deque[bytes] = deque()  # timers of the same time have no order

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return (self.host, 1) if name == "peername" else default

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def write(self, data: Any) -> None:
        if not self.closed and not self.network.down:
            self.other._arriving.append(bytes(data))
            asyncio.get_running_loop().call_later(WAY, self.other.came)

    def came(self) -> None:
        data = self._arriving.popleft()
        if not self.closed and not self.network.down:
            self.carrier.data_received(data)

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        """What was written arrives before the end does."""
        self.cut()
        if not self.network.down:
            asyncio.get_running_loop().call_later(WAY, self.other.cut)

    abort = close

    def cut(self) -> None:
        if not self.closed:
            self.closed = True
            loop = asyncio.get_running_loop()
            loop.call_soon(self.carrier.connection_lost, ConnectionResetError("reset"))


class Network:
    """Connects near sides with a far side.

    Args:
        link: takes connections.

    Attributes:
        down: whether all that is sent is lost.
        dialled: how often a near side has connected.
    """

    def __init__(self, link: FarLink) -> None:
        self.down = False
        self.dialled = 0
        self._link = link
        self._up = asyncio.Event()
        self._ends: list[CableEnd] = []

    async def outage(self, seconds: float, *, reset: bool) -> None:
        """Be down for so long.

        Args:
            seconds: how long.
            reset: whether both ends hear of it, as of a router that was started anew.
        """
        self.down = True
        self._up.clear()
        if reset:
            for end in self._ends:
                end.cut()
        await asyncio.sleep(seconds)
        self.down = False
        self._up.set()

    async def dial(self, address: RemoteAddress, hello: Hello) -> tuple[Carrier, Welcome]:
        """In the place of `dialing.dial`: as TCP does, goes on trying while the network is down."""
        while self.down:
            await self._up.wait()
        self.dialled += 1
        first, on_first = resolver()
        near, far = Carrier(on_first), self._link.connection()
        ends = CableEnd(self, near, "far"), CableEnd(self, far, address.host)
        for end, other in zip(ends, reversed(ends), strict=True):
            end.other = other
            end.carrier.connection_made(end)
        self._ends += ends
        return near, await say_hello(address, near, first, hello)


class Machine:
    """A far side, and the engines that it has made."""

    def __init__(self, make: Callable[[], Engine]) -> None:
        self.engines: list[Engine] = []

        def engine(_: Mapping[str, str]) -> Engine:
            self.engines.append(make())
            return self.engines[-1]

        self.link = FarLink(lambda: FarService(engine), "p", "t0ken")
        self.network = Network(self.link)

    @asynccontextmanager
    async def run(
        self, monkeypatch: pytest.MonkeyPatch, clock: Clock | None = None, host: str = "192.0.2.1"
    ) -> AsyncIterator[RemoteEngine]:
        """A started engine of a run of its own.

        Args:
            monkeypatch: puts the network in the place of the real one.
            clock: of the run.
            host: where it is.
        """
        monkeypatch.setattr(near_module, "dial", self.network.dial)
        address = RemoteAddress("grpc+tls", host, 1, "t0ken", fingerprint="0" * 64)

        async def connect() -> NearLink:
            link = NearLink(address, "p")
            await link.connect()
            return link

        engine = RemoteEngine(connect, clock)
        await engine.start()
        try:
            yield engine
        finally:
            await engine.close()
