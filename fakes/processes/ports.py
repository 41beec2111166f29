"""The ports of one sandbox: what listens on them, and connections to them."""

import asyncio
import errno
import os
from collections.abc import Callable, Coroutine, MutableMapping
from typing import Any

from pytest_sandbox.engine import InvalidSpec

from .connection import End, MemoryConnection, connected_ends

#: Serves one connection to a port, to the end; is given the port and the server's end.
Acceptor = Callable[[int, End], Coroutine[Any, Any, None]]

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


def refused(port: int, reason: str) -> ConnectionRefusedError:
    """The error of a connection that nothing accepts."""
    return ConnectionRefusedError(
        errno.ECONNREFUSED, f"nothing takes connections to port {port} in the sandbox: {reason}"
    )


class Ports:
    """The ports of one sandbox.

    Args:
        scripted: what the test has for a port, if anything; asked first.
        closed: says, for an error, why nothing listens on a port.
        coroutines: where running coroutines are entered, with a name for each.
    """

    def __init__(
        self,
        scripted: Callable[[int], Acceptor | None],
        closed: Callable[[int], str],
        coroutines: MutableMapping[asyncio.Task[None], object],
    ) -> None:
        self._scripted = scripted
        self._closed = closed
        self._coroutines = coroutines
        self._listening: dict[int, Acceptor] = {}
        #: The server's end of each connection, and what accepted it.
        self._serving: dict[asyncio.Task[None], tuple[End, Acceptor]] = {}

    def listen(self, port: int, accept: Acceptor) -> int:
        """Open a port; returns it.

        Args:
            port: which; 0 for any that is free.
            accept: what serves each connection.

        Raises:
            InvalidSpec: it is no port.
            OSError: `EADDRINUSE`, it is open already.
        """
        if port == 0:
            port = next(free for free in range(_FIRST_FREE, 65536) if free not in self._listening)
        if check_port(port) in self._listening:
            raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE), f"port {port}")
        self._listening[port] = accept
        return port

    def close(self, port: int) -> None:
        """Close a port that `listen` opened, and its connections."""
        accept = self._listening.pop(port, None)
        self._stop([task for task, (_, by) in self._serving.items() if by is accept])

    def close_all(self) -> None:
        """Close every port and every connection, those of scripts too."""
        self._listening.clear()
        self._stop(list(self._serving))

    def connect(self, port: int) -> MemoryConnection:
        """Connect to a port, from outside; see `join`."""
        return MemoryConnection(self.join(port))

    def join(self, port: int) -> End:
        """Connect to a port.

        Raises:
            ConnectionRefusedError: nothing listens there.
            InvalidSpec: it is no port.
        """
        accept = self._scripted(check_port(port)) or self._listening.get(port)
        if accept is None:
            raise refused(port, self._closed(port))
        here, there = connected_ends()
        task = asyncio.get_running_loop().create_task(accept(port, there))
        self._serving[task] = there, accept
        self._coroutines[task] = f"port {port}"
        task.add_done_callback(self._done)
        return here

    def _done(self, task: asyncio.Task[None]) -> None:
        self._serving.pop(task, None)
        self._coroutines.pop(task, None)

    def _stop(self, tasks: list[asyncio.Task[None]]) -> None:
        for task in tasks:
            self._serving[task][0].close()
            if task is not asyncio.current_task():
                task.cancel()
