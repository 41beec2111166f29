"""Packets: any text survives, no peer can make the other hold more than it should."""

import contextlib
import os
import resource
import socket
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_sandbox.local.protocol import wire
from pytest_sandbox.local.protocol.agent import (
    AgentReady,
    RemoveRequest,
    SpawnAnswer,
)
from pytest_sandbox.local.protocol.common import DescriptorAnswer
from pytest_sandbox.local.protocol.message import BadMessage, DescriptorsLost, Message

EXPECTED = wire.family(AgentReady, SpawnAnswer, RemoveRequest)
LARGE = RemoveRequest(path="x" * 1_000_000)


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        yield ours, theirs


@given(st.binary(max_size=200))
def test_names_that_are_no_text_survive(name: bytes) -> None:
    message = RemoveRequest(path=os.fsdecode(name))
    assert wire.decode(wire.encode(message, 3), EXPECTED) == (message, 3)


@pytest.mark.parametrize(
    "data",
    [
        *(b"", b"x", b"[]", b"1", b"[" * 100_000, b"\xff", b'{"a":', b"{}", b"[1,2,3]"),
        *(b'["AgentReady",0,[]]', b'["AgentReady",true,{}]', b'["AgentReady",0]', b"[[],0,{}]"),
        *(b'["AgentReady",0,{}] ', b'["AgentReady",0,{}]x', b'\n["AgentReady",0,{}]'),
    ],
)
def test_what_has_not_the_form_of_a_message_is_a_bad_one(data: bytes) -> None:
    with pytest.raises(BadMessage, match="not a message"):
        wire.decode(data, EXPECTED)


def test_what_is_expected_elsewhere_is_a_bad_message() -> None:
    data = wire.encode(RemoveRequest(path="/"), 7)
    with pytest.raises(BadMessage, match="'RemoveRequest'") as caught:
        wire.decode(data, wire.family(AgentReady))
    assert caught.value.number == 7


def test_descriptors_travel_beside_a_message(pair: tuple[socket.socket, socket.socket]) -> None:
    read, write = os.pipe()
    wire.send(pair[0], SpawnAnswer(pid=1), (write,), number=2)
    os.close(write)
    message, number, (passed,) = wire.receive(pair[1], EXPECTED)
    os.write(passed, b"here")
    assert (message, number, os.read(read, 10)) == (SpawnAnswer(pid=1), 2, b"here")
    assert not os.get_inheritable(passed)
    os.close(passed)
    os.close(read)


def test_the_end_of_the_stream_is_no_message(pair: tuple[socket.socket, socket.socket]) -> None:
    pair[0].close()
    assert wire.receive(pair[1], EXPECTED) == (None, 0, [])


def test_what_a_peer_said_last_is_heard_though_it_went_without_reading(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    wire.send(pair[1], RemoveRequest(path="/unread"))
    wire.send(pair[0], AgentReady(no_network=""))
    pair[0].close()
    assert wire.receive(pair[1], EXPECTED) == (AgentReady(no_network=""), 0, [])
    assert wire.receive(pair[1], EXPECTED) == (None, 0, [])


def test_a_large_request_travels_in_a_file(pair: tuple[socket.socket, socket.socket]) -> None:
    wire.send_request(pair[0], LARGE, number=5)
    assert wire.receive_request(pair[1], EXPECTED) == (LARGE, 5, [])


def test_a_large_answer_is_refused_by_its_sender(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    with pytest.raises(ValueError, match="at most"):
        wire.send(pair[0], LARGE)


def test_a_packet_that_is_too_large_is_refused_and_its_descriptors_closed(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    read, write = os.pipe()
    socket.send_fds(pair[0], [b"x" * (wire.PACKET + 1)], [write])
    os.close(write)
    with pytest.raises(BadMessage):
        wire.receive(pair[1], EXPECTED)
    assert os.read(read, 1) == b""  # nothing holds the other end any more
    os.close(read)


def test_more_descriptors_than_allowed_are_refused(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    read, write = os.pipe()
    socket.send_fds(pair[0], [b"{}"], [write] * 253)
    os.close(write)
    with pytest.raises(BadMessage):
        wire.receive(pair[1], EXPECTED)
    assert os.read(read, 1) == b""
    os.close(read)


def test_a_spilled_request_is_not_taken_from_a_sandbox(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    wire.send_request(pair[0], LARGE)
    with pytest.raises(BadMessage):
        wire.receive(pair[1], EXPECTED)


@contextlib.contextmanager
def no_descriptors() -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.mark.parametrize("request_", [SpawnAnswer(pid=1), LARGE], ids=["packet", "memory file"])
def test_a_message_without_room_for_its_descriptors_still_has_its_number(
    pair: tuple[socket.socket, socket.socket], request_: Message
) -> None:
    read, write = os.pipe()
    fds = (write,) if isinstance(request_, SpawnAnswer) else ()
    wire.send_request(pair[0], request_, fds, number=7)
    os.close(write)
    with no_descriptors(), pytest.raises(DescriptorsLost, match="Too many open files") as caught:
        wire.receive_request(pair[1], EXPECTED)
    assert (caught.value.kind, caught.value.number) == (type(request_).__name__, 7)
    assert os.read(read, 1) == b""
    os.close(read)


@pytest.mark.parametrize("count", [0, 2])
def test_descriptors_that_do_not_belong_to_a_message_make_it_a_bad_one(
    pair: tuple[socket.socket, socket.socket], count: int
) -> None:
    read, write = os.pipe()
    wire.send(pair[0], DescriptorAnswer(), (write,) * count)
    os.close(write)
    with pytest.raises(BadMessage, match=f"DescriptorAnswer came with {count} descriptors"):
        wire.receive(pair[1], wire.family(DescriptorAnswer))
    assert os.read(read, 1) == b""  # nothing holds the other end any more
    os.close(read)
