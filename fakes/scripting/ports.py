"""Ports: what listens on them, in one sandbox or by a script of the test."""

import asyncio
import errno
import inspect
import os
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING

from pytest_sandbox.engine import InvalidSpec

from .connection import MemoryConnection, Peer, line
from .http import response
from .matching import ANY, Anything
from .rules import Rule

if TYPE_CHECKING:
    from ..processes.kernel import Kernel
    from ..processes.process import SandboxProcess

#: What a handler returns: what is to be sent last, if anything.
Answer = str | bytes | None
PeerHandler = Callable[[Peer], Answer | Awaitable[Answer]]

_FIRST_FREE = 32768  # of the ports that Linux chooses by itself
_PORTS = range(1, 65536)


def check_port(port: object) -> int:
    """A number that is a port.

    Raises:
        InvalidSpec: it is none.
    """
    if isinstance(port, bool) or not isinstance(port, int) or port not in _PORTS:
        raise InvalidSpec(f"port {port!r} is not a number from 1 to 65535")
    return port


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

        What it raises breaks the connection off and is kept in `FakeEngine.problems`.

        Args:
            handler: returns what is to be sent last, as text or bytes, or nothing.
            read: read first until the other ends, for `Peer.received`; a plain function cannot
                wait for it.
        """

        async def action(peer: Peer) -> Answer:
            if read:
                peer.received = await peer.read_all()
            return await _answer(handler, peer)

        return self._act(action)

    def http(
        self,
        status: int = 200,
        body: str | bytes = b"",
        headers: Mapping[str, str] | None = None,
    ) -> "PortScript":
        """Answer every request of HTTP/1 with the same.

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

    def matches(self, kernel: "Kernel", port: int) -> bool:
        """Whether it is for a port of a sandbox."""
        if self._port is not ANY and self._port != port:
            return False
        return self.holds(lambda: Peer(kernel, port, line()[0]))

    def accept(self) -> PeerHandler | None:
        """What to do with a connection; `None` to refuse it."""
        self.use()
        if self._refuses:
            return None

        async def handler(peer: Peer) -> Answer:
            if self._delay:
                await peer.sleep(self._delay)
            return await _answer(self._action, peer) if self._action else None

        return handler

    def difference(self, port: int) -> tuple[float, str]:
        """How near a port comes, and a text that says why it does not match."""
        if self._port is ANY or self._port == port:
            return 1.0, f"the nearest script is {self}, which is " + (
                "used up" if self.used_up else "for another sandbox, or a condition does not hold"
            )
        return 0.0, f"the nearest script is {self}"


async def _answer(handler: PeerHandler, peer: Peer) -> Answer:
    answer = handler(peer)
    return await answer if inspect.isawaitable(answer) else answer


class Ports:
    """The ports of one sandbox.

    Args:
        kernel: of the sandbox.
    """

    def __init__(self, kernel: "Kernel") -> None:
        self._kernel = kernel
        self._listening: dict[int, tuple[SandboxProcess, PeerHandler]] = {}
        self._peers: dict[asyncio.Task[None], tuple[Peer, SandboxProcess | None]] = {}

    def listen(self, proc: "SandboxProcess", port: int, handler: PeerHandler) -> int:
        """Have a port open while a process lives.

        Args:
            proc: whose end closes it, with all its connections.
            port: which; 0 for any that is free.
            handler: what is called for each connection.

        Raises:
            OSError: `EADDRINUSE`, it is open already.
        """
        if port == 0:
            port = next(free for free in range(_FIRST_FREE, 65536) if free not in self._listening)
        if check_port(port) in self._listening:
            raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE), f"port {port}")
        self._listening[port] = proc, handler
        proc.at_end.append(lambda: self._close(proc))
        return port

    def connect(self, port: int) -> MemoryConnection:
        """Connect to a port.

        Raises:
            ConnectionRefusedError: nothing listens there.
            InvalidSpec: it is no port.
        """
        handler, proc = self._accepting(check_port(port))
        here, there = line()
        peer = Peer(self._kernel, port, there)
        task = asyncio.get_running_loop().create_task(self._serve(peer, handler))
        self._peers[task] = peer, proc
        self._kernel.coroutines[task] = peer
        task.add_done_callback(self._done)
        return MemoryConnection(here)

    def _accepting(self, port: int) -> "tuple[PeerHandler, SandboxProcess | None]":
        script = self._kernel.around.port(self._kernel, port)
        if script is not None:
            handler = script.accept()
            if handler is not None:
                return handler, None
            hint = f"{script} says so"
        elif port in self._listening:
            proc, handler = self._listening[port]
            return handler, proc
        else:
            hint = self._kernel.around.problems.closed(port)
        raise ConnectionRefusedError(
            errno.ECONNREFUSED, f"nothing takes connections to port {port} in the sandbox: {hint}"
        )

    async def _serve(self, peer: Peer, handler: PeerHandler) -> None:
        try:
            answer = await _answer(handler, peer)
            if answer is not None:
                await peer.write(answer)
        except Exception as error:  # of a handler of the test's own
            if not (isinstance(error, ConnectionError) and peer.gone):
                self._kernel.around.problems.crashed(peer, error)
            peer.break_off()
        finally:
            peer.close()

    def _done(self, task: "asyncio.Task[None]") -> None:
        self._peers.pop(task, None)
        self._kernel.coroutines.pop(task, None)

    def _close(self, proc: "SandboxProcess") -> None:
        """A process that listened has ended."""
        self._listening = {n: each for n, each in self._listening.items() if each[0] is not proc}
        self._end([task for task, (_, owner) in self._peers.items() if owner is proc])

    def end(self) -> None:
        """The sandbox is over."""
        self._listening.clear()
        self._end(list(self._peers))

    def _end(self, tasks: "list[asyncio.Task[None]]") -> None:
        for task in tasks:
            self._peers[task][0].close()
            if task is not asyncio.current_task():
                task.cancel()
