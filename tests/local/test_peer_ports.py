"""Whatever sits in place of PID 1: the gateway takes nothing but connections, and never waits."""

from __future__ import annotations

import errno
import json
import os
import select
import socket
from typing import TYPE_CHECKING, Any

import pytest

from pytest_sandbox.local.gateway.links import Links
from pytest_sandbox.local.gateway.peer_ports import PeerPorts

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Requests that are under way at a time.
AT_ONCE = 16


class HostileAgent:
    def __init__(self) -> None:
        self.sock, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.ports = PeerPorts(theirs)
        self.results: list[socket.socket | OSError] = []

    def ask(self, count: int = 1) -> None:
        for _ in range(count):
            self.ports.begin(socket.AF_INET, 80, self.results.append)

    def asked(self) -> list[int]:
        """The numbers of requests that have come."""
        numbers = []
        self.sock.setblocking(False)
        try:
            while True:
                numbers.append(json.loads(self.sock.recv(4096))[1])
        except BlockingIOError:
            return numbers

    def say(self, message: Any, *fds: int) -> None:
        data = message if isinstance(message, bytes) else json.dumps(message).encode()
        socket.send_fds(self.sock, [data], list(fds))


@pytest.fixture
def agent() -> Iterator[HostileAgent]:
    agent = HostileAgent()
    yield agent
    agent.ports.close()
    agent.sock.close()


@pytest.mark.parametrize(
    ("family", "kind"),
    [
        (socket.AF_INET6, socket.SOCK_STREAM),
        (socket.AF_INET, socket.SOCK_DGRAM),
        (socket.AF_UNIX, socket.SOCK_STREAM),
    ],
)
def test_only_the_socket_that_was_asked_for(agent: HostileAgent, family: int, kind: int) -> None:
    agent.ask(2)
    first, second = agent.asked()
    with socket.socket(family, kind) as wrong, open(os.devnull) as file:
        agent.say(["DescriptorAnswer", first, {}], wrong.fileno())
        agent.say(["DescriptorAnswer", second, {}], file.fileno())
    agent.ports.serve()
    assert [getattr(result, "errno", None) for result in agent.results] == [errno.EIO] * 2


@pytest.mark.parametrize(
    "words",
    [
        b"nonsense",
        ["DescriptorAnswer", 1, {}],  # without one
        ["SpawnAnswer", 1, {"pid": 1}],
        ["Failed", 1, {"error": 5}],
    ],
)
def test_what_makes_no_sense_ends_it(agent: HostileAgent, words: Any) -> None:
    agent.ask()
    agent.say(words)
    with pytest.raises(ConnectionAbortedError):
        agent.ports.serve()
    agent.ports.fail()
    agent.ask()
    assert [type(result) for result in agent.results] == [ConnectionResetError] * 2


def test_answers_that_were_not_asked_for_are_let_go(agent: HostileAgent) -> None:
    """Such as those to a gateway that was killed."""
    agent.ask()
    (number,) = agent.asked()
    with socket.socket() as sock:
        for other in (0, number + 1, -1):
            agent.say(["DescriptorAnswer", other, {}], sock.fileno())
        agent.ports.serve()
        assert agent.results == []
        agent.say(["DescriptorAnswer", number, {}], sock.fileno())
        agent.ports.serve()
        (connection,) = agent.results
        assert isinstance(connection, socket.socket)
        connection.close()


def test_one_that_never_answers_holds_up_nothing(agent: HostileAgent) -> None:
    """Few requests are under way, others wait here, and none blocks."""
    agent.ask(1000)
    assert len(agent.asked()) == AT_ONCE
    agent.ports.serve()
    assert agent.results == []
    agent.ports.fail()
    assert len(agent.results) == 1000


def test_the_next_ones_go_out_as_others_are_answered(agent: HostileAgent) -> None:
    agent.ask(AT_ONCE + 2)
    first, second, *_ = agent.asked()
    for number in (first, second):
        error = {"number": errno.ECONNREFUSED, "path": "", "text": "refused"}
        agent.say(["Failed", number, {"error": error}])
    agent.ports.serve()
    assert [type(result) for result in agent.results] == [ConnectionRefusedError] * 2
    assert len(agent.asked()) == 2


def test_the_end_of_the_agent(agent: HostileAgent) -> None:
    agent.ask()
    agent.sock.close()
    with pytest.raises(ConnectionError):
        agent.ports.serve()


def test_one_socket_of_an_agent_is_taken() -> None:
    """A hostile one may send more, in place of listeners."""
    watched = select.epoll()
    links = Links(watched)
    pairs = [socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET) for _ in range(2)]
    listener = socket.socket()
    assert links.take("1", [theirs for _, theirs in pairs] + [listener]) == [listener]
    assert pairs[1][0].recv(1) == b""  # the second one was closed
    links.leave("1")
    assert pairs[0][0].recv(1) == b""
    for ours, _ in pairs:
        ours.close()
    listener.close()
    watched.close()
