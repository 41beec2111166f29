"""Messages: any text survives, no peer can make the other hold more than it should."""

import os
import socket
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_sandbox.local import wire


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        yield ours, theirs


@given(st.binary(max_size=200))
def test_names_that_are_no_text_survive(name: bytes) -> None:
    message = {"path": os.fsdecode(name)}
    assert wire.decode(wire.encode(message)) == message


@pytest.mark.parametrize("data", [b"", b"x", b"[]", b"1", b"[" * 100_000, b"\xff", b'{"a":'])
def test_what_is_no_object_is_a_bad_message(data: bytes) -> None:
    with pytest.raises(wire.BadMessage):
        wire.decode(data)


def test_descriptors_travel_beside_a_message(pair: tuple[socket.socket, socket.socket]) -> None:
    read, write = os.pipe()
    wire.send(pair[0], {"n": 1}, (write,))
    os.close(write)
    message, (passed,) = wire.receive(pair[1])
    os.write(passed, b"here")
    assert (message, os.read(read, 10)) == ({"n": 1}, b"here")
    assert not os.get_inheritable(passed)
    os.close(passed)
    os.close(read)


def test_the_end_of_the_stream_is_no_message(pair: tuple[socket.socket, socket.socket]) -> None:
    pair[0].close()
    assert wire.receive(pair[1]) == (None, [])


def test_what_a_peer_said_last_is_heard_though_it_went_without_reading(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    wire.send(pair[1], {"unread": True})
    wire.send(pair[0], {"last": "words"})
    pair[0].close()
    assert wire.receive(pair[1]) == ({"last": "words"}, [])
    assert wire.receive(pair[1]) == (None, [])


def test_a_large_request_travels_in_a_file(pair: tuple[socket.socket, socket.socket]) -> None:
    request = {"argv": ["x" * 1_000_000]}
    wire.send_request(pair[0], request)
    assert wire.receive_request(pair[1]) == (request, [])


def test_a_large_answer_is_refused_by_its_sender(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    with pytest.raises(ValueError, match="at most"):
        wire.send(pair[0], {"x": "y" * wire.PACKET})


def test_a_packet_that_is_too_large_is_refused_and_its_descriptors_closed(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    read, write = os.pipe()
    socket.send_fds(pair[0], [b"x" * (wire.PACKET + 1)], [write])
    os.close(write)
    with pytest.raises(wire.BadMessage):
        wire.receive(pair[1])
    assert os.read(read, 1) == b""  # nobody holds the other end any more
    os.close(read)


def test_more_descriptors_than_allowed_are_refused(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    read, write = os.pipe()
    socket.send_fds(pair[0], [b"{}"], [write] * (wire.DESCRIPTORS + 8))
    os.close(write)
    with pytest.raises(wire.BadMessage):
        wire.receive(pair[1])
    assert os.read(read, 1) == b""
    os.close(read)


def test_a_spilled_request_is_not_taken_from_a_sandbox(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    wire.send_request(pair[0], {"argv": ["x" * 1_000_000]})
    with pytest.raises(wire.BadMessage):
        wire.receive(pair[1])
