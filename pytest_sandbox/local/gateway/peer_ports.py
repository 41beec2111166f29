"""Ports of one sandbox, as others of its network reach them: its PID 1 begins the connections."""

from __future__ import annotations

import collections
import errno
import itertools
import os
import socket
import stat

from ..protocol import agent as messages
from ..protocol import foreign, wire
from ..protocol.common import Failed
from ..protocol.message import BadMessage, DescriptorsLost

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    from .relay import Relay

    #: Is given a connection on its way, or why there is none.
    Began: TypeAlias = Callable[[socket.socket | OSError], None]

#: Requests that are not answered yet; further ones wait. All answers fit into the socket.
_AT_ONCE = 16
#: Answers that are taken before others have their turn.
_TURN = 16


class PeerPorts:
    """Asks PID 1 of a sandbox for connections to its ports.

    A hostile program may be at the other end, if it took over PID 1: nothing waits for it.

    Args:
        sock: to PID 1; owned.

    Attributes:
        relays: connections that lead to this sandbox.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._closed = False
        # A gateway that was killed may have asked, and its answers may come to this one.
        self._numbers = itertools.count(1 + int.from_bytes(os.urandom(4), "big"))
        self._asked: dict[int, tuple[int, Began]] = {}
        self._waiting: collections.deque[tuple[int, int, Began]] = collections.deque()
        self.relays: set[Relay] = set()
        sock.setblocking(False)

    def fileno(self) -> int:
        """Readable when there is something to serve."""
        return self._sock.fileno()

    def begin(self, family: int, port: int, began: Began) -> None:
        """Begin a connection to a port of the loopback interface; `began` is called once."""
        if self._closed:
            began(ConnectionResetError(errno.ECONNRESET, "the sandbox has ended"))
        elif len(self._asked) >= _AT_ONCE:
            self._waiting.append((family, port, began))
        else:
            self._ask(family, port, began)

    def serve(self) -> None:
        """Take answers.

        Raises:
            ConnectionError: there will be none any more.
        """
        for _ in range(_TURN):
            try:
                answer, number, fds = wire.receive(
                    self._sock, messages.AGENT_TO_GATEWAY, foreign.close
                )
            except BlockingIOError:
                return
            except DescriptorsLost as lost:
                self._settle(lost.number, OSError(lost.errno, lost.strerror))
                continue
            except BadMessage as error:
                raise ConnectionAbortedError(str(error)) from error
            if answer is None:
                raise ConnectionResetError
            if number not in self._asked:
                foreign.close(fds)
            elif isinstance(answer, Failed):
                self._settle(number, answer.error.error())
            else:
                self._settle(number, self._checked(fds[0], self._asked[number][0]))

    def close(self) -> None:
        """The sandbox has ended: end every connection to it, and what was asked for."""
        for relay in list(self.relays):
            relay.reset()
        self.fail()
        foreign.close_unix_socket(self._sock)

    def fail(self) -> None:
        """There will be no connections any more, nor those that were asked for."""
        self._closed = True
        asked = [began for _, began in self._asked.values()]
        asked += [began for *_, began in self._waiting]
        self._asked.clear()
        self._waiting.clear()
        for began in asked:
            began(ConnectionResetError(errno.ECONNRESET, "the sandbox has ended"))

    def _ask(self, family: int, port: int, began: Began) -> None:
        number = next(self._numbers)
        request = messages.ConnectRequest(family=family, port=port)
        try:
            wire.send(self._sock, request, number=number)
        except OSError as error:
            began(error)
        else:
            self._asked[number] = family, began

    def _settle(self, number: int, result: socket.socket | OSError) -> None:
        if number in self._asked:
            _, began = self._asked.pop(number)
            began(result)
        while self._waiting and len(self._asked) < _AT_ONCE and not self._closed:
            self._ask(*self._waiting.popleft())

    @staticmethod
    def _checked(fd: int, family: int) -> socket.socket | OSError:
        """The connection that was asked for; anything else could do what it wants here."""
        if stat.S_ISSOCK(os.fstat(fd).st_mode):
            sock = socket.socket(fileno=fd)
            if (sock.family, sock.proto) == (family, socket.IPPROTO_TCP):
                sock.setblocking(False)
                return sock
            fd = sock.detach()
        foreign.close([fd])
        return OSError(errno.EIO, "the sandbox did not send the connection")
