"""What scripts for ports and for hosts do with a connection."""

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING

from ..processes.ports import Acceptor
from ..processes.process import KernelInterface
from .http import response
from .peer import Answer, Peer, PeerHandler, acceptor, answer_of
from .rules import Rule

if TYPE_CHECKING:
    from typing_extensions import Self


class ConnectionScript(Rule[Peer, PeerHandler]):
    """What happens to connections; without anything further they are taken and closed."""

    def __init__(self, place: str) -> None:
        super().__init__(place)
        self._refuses = False

    def reply(self, data: str | bytes) -> "Self":
        """Send bytes, and close."""
        return self._act(lambda peer: data)

    def calls(self, handler: PeerHandler, *, read: bool = False) -> "Self":
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
    ) -> "Self":
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

    def hang(self) -> "Self":
        """Take the connection and do nothing with it, neither reading nor closing."""

        async def action(peer: Peer) -> None:
            await asyncio.get_running_loop().create_future()

        return self._act(action)

    def refuse(self) -> "Self":
        """Take no connection, as if nothing listened."""
        self._refuses = True
        return self._act(lambda peer: None)

    @property
    def refuses(self) -> bool:
        """Whether it takes no connection."""
        return self._refuses

    def serve(self, kernel: KernelInterface, host: str = "") -> Acceptor:
        """What serves a connection of a sandbox; this counts as a use."""
        self.use()

        async def handler(peer: Peer) -> Answer:
            if self._delay:
                await peer.sleep(self._delay)
            return await answer_of(self._action, peer) if self._action else None

        return acceptor(kernel, handler, host)
