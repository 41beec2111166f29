"""Scripts for ports, which a test writes."""

import asyncio
from collections.abc import Mapping

from ..processes.connection import connected_ends
from ..processes.ports import Acceptor, check_port, refused
from ..processes.process import KernelInterface
from .http import response
from .matching import ANY, Anything
from .peer import Answer, Peer, PeerHandler, acceptor, answer_of
from .rules import Rule


class PortScript(Rule[Peer, PeerHandler]):
    """What happens when somebody connects to a port; made by `FakeEngine.on_connect`.

    Without anything further it takes the connection and closes it.
    """

    def __init__(self, port: int | Anything, place: str) -> None:
        super().__init__(place)
        self._port = port if isinstance(port, Anything) else check_port(port)
        self._refuses = False

    @property
    def title(self) -> str:
        """What it is for."""
        return f"port {self._port}"

    def reply(self, data: str | bytes) -> "PortScript":
        """Send bytes, and close."""
        return self._act(lambda peer: data)

    def calls(self, handler: PeerHandler, *, read: bool = False) -> "PortScript":
        """Ask a function, plain or asynchronous, which is given the `Peer`.

        An exception resets the connection, and is reported in `FakeEngine.problems`.

        Args:
            handler: returns what is to be sent last, as text or bytes, or nothing.
            read: read first until the other ends, for `Peer.received`; a plain function cannot
                wait for it.
        """

        async def action(peer: Peer) -> Answer:
            if read:
                peer.received = await peer.read_all()
            return await answer_of(handler, peer)

        return self._act(action)

    def http(
        self,
        status: int = 200,
        body: str | bytes = b"",
        headers: Mapping[str, str] | None = None,
    ) -> "PortScript":
        """Answer every HTTP/1 request with the same response.

        Raises:
            ValueError: there is no such status, or a header holds the end of a line.
        """
        data = response(status, body, headers or {})

        async def action(peer: Peer) -> None:
            while (request := await peer.request()) is not None:
                bare = data.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
                await peer.write(bare if request.method == "HEAD" else data)
                if request.last:
                    break

        return self._act(action)

    def hang(self) -> "PortScript":
        """Take the connection and do nothing with it, neither reading nor closing."""

        async def action(peer: Peer) -> None:
            await asyncio.get_running_loop().create_future()

        return self._act(action)

    def refuse(self) -> "PortScript":
        """Take no connection, as if nothing listened."""
        self._refuses = True
        return self._act(lambda peer: None)

    # What the engine asks.

    def matches(self, kernel: KernelInterface, port: int) -> bool:
        """Whether it is for a port of a sandbox."""
        if self._port is not ANY and self._port != port:
            return False
        return self.holds(kernel, lambda: Peer(kernel, port, connected_ends()[0]))

    def accept(self, kernel: KernelInterface, port: int) -> Acceptor:
        """What serves a connection to a port of a sandbox.

        Raises:
            ConnectionRefusedError: the script says so.
        """
        self.use()
        if self._refuses:
            raise refused(port, f"{self} says so")

        async def handler(peer: Peer) -> Answer:
            if self._delay:
                await peer.sleep(self._delay)
            return await answer_of(self._action, peer) if self._action else None

        return acceptor(kernel, handler)

    def difference(self, port: int) -> tuple[float, str]:
        """How near a port comes, and a text that says why it does not match."""
        if self._port is ANY or self._port == port:
            return 1.0, f"the nearest script is {self}, which is " + (
                "used up" if self.used_up else "for another sandbox, or a condition does not hold"
            )
        return 0.0, f"the nearest script is {self}"
