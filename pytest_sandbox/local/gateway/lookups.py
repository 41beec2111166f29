"""Asking this machine for the addresses of names, in threads: getaddrinfo(3) waits for servers."""

from __future__ import annotations

import collections
import contextlib
import os
import queue
import socket
import threading

from pytest_sandbox._shared.network.reach import plain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    from pytest_sandbox._shared.network.reach import Address

    #: Is given the addresses of a name; none if there is no such name, `None` if it is not known.
    Found: TypeAlias = Callable[[list[Address] | None], None]

#: Lookups of one sandbox at a time, and those that wait for that; what is more fails at once. Each
#: sandbox has threads of its own, since a name server that a program chose may never answer.
_AT_ONCE, _WAITING = 4, 64


class LookupResults:
    """Results on their way from threads to the loop.

    Attributes:
        fd: readable when there are some.
    """

    def __init__(self) -> None:
        self.fd, self._wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._done: queue.SimpleQueue[tuple[Lookups, Found, list[Address] | None]]
        self._done = queue.SimpleQueue()

    def put(self, lookups: Lookups, found: Found, addresses: list[Address] | None) -> None:
        """Called in a thread."""
        self._done.put((lookups, found, addresses))
        with contextlib.suppress(BlockingIOError):  # the loop is going to wake up
            os.write(self._wake, b"\0")

    def take(self) -> None:
        """Hand out what there is."""
        os.read(self.fd, 4096)
        while not self._done.empty():
            lookups, found, addresses = self._done.get()
            lookups.finished(found, addresses)


class Lookups:
    """Lookups of one sandbox.

    Args:
        results: where they come back.
    """

    def __init__(self, results: LookupResults) -> None:
        self._results = results
        self._waiting: collections.deque[tuple[str, Found]] = collections.deque()
        self._running = 0
        self._closed = False

    def start(self, name: str, found: Found) -> None:
        """Look up a name; `found` is called once, unless the sandbox ends."""
        if self._running < _AT_ONCE:
            self._run(name, found)
        elif len(self._waiting) < _WAITING:
            self._waiting.append((name, found))
        else:
            found(None)

    def finished(self, found: Found, addresses: list[Address] | None) -> None:
        """A thread is done."""
        self._running -= 1
        if self._closed:
            return
        if self._waiting:
            self._run(*self._waiting.popleft())
        found(addresses)

    def close(self) -> None:
        """Forget what is under way."""
        self._closed = True
        self._waiting.clear()

    def _run(self, name: str, found: Found) -> None:
        self._running += 1
        try:
            threading.Thread(
                target=lambda: self._results.put(self, found, addresses_of(name)), daemon=True
            ).start()
        except RuntimeError:  # the machine has no room for a thread
            self._running -= 1
            found(None)


def addresses_of(name: str) -> list[Address] | None:
    """The addresses of a name, the best first; none if it has none, `None` if that is not known."""
    try:
        found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        return [] if error.errno in (socket.EAI_NONAME, socket.EAI_NODATA) else None
    except (OSError, UnicodeError):
        return None
    # A scope, after a percent sign, means something on this machine only.
    return list(dict.fromkeys(plain(str(info[4][0]).partition("%")[0]) for info in found))
