"""Packets with descriptors, in prepared calls."""

import os
import socket
from collections.abc import Iterator

import pytest

from pytest_sandbox.local.kernel.calls import PreparedCalls
from pytest_sandbox.local.protocol.prepared_packets import prepare_receive, prepare_send


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        yield ours, theirs


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    read, write = os.pipe()
    yield read, write
    os.close(read)
    os.close(write)


def test_what_is_sent_has_the_descriptors_of_that_moment(
    pair: tuple[socket.socket, socket.socket], pipe: tuple[int, int]
) -> None:
    ours, theirs = pair
    calls = PreparedCalls()
    opened = [calls.add_opening("dup", fd) for fd in pipe]
    prepare_send(ours.fileno(), b"two of them", opened, calls)
    prepare_send(ours.fileno(), b"none", [], calls)

    for _ in range(2):  # they can be made more than once
        calls.make()
        data, fds, _, _ = socket.recv_fds(theirs, 100, 3)
        assert data == b"two of them"
        assert [os.fstat(fd) for fd in fds] == [os.fstat(fd) for fd in pipe]
        assert theirs.recv(100) == b"none"
        for fd in [*fds, *(each.value for each in opened)]:
            os.close(fd)


@pytest.mark.parametrize("count", [0, 1, 2, 200])
def test_what_comes_is_there_for_later_calls(
    pair: tuple[socket.socket, socket.socket], pipe: tuple[int, int], count: int
) -> None:
    ours, theirs = pair
    calls = PreparedCalls()
    fds = prepare_receive(theirs.fileno(), count, pytest.fail, calls)
    for fd in fds:
        calls.add("close", fd)
    before = os.listdir("/proc/self/fd")

    socket.send_fds(ours, [b"g"], [pipe[0]] * count)
    calls.make()

    assert len({fd.value for fd in fds}) == count
    assert os.listdir("/proc/self/fd") == before


def test_the_end_of_the_stream_is_told(pair: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = pair
    calls = PreparedCalls()
    ends: list[bool] = []
    prepare_receive(theirs.fileno(), 0, lambda: ends.append(True), calls)
    ours.close()

    calls.make()
    assert ends == [True]


def test_descriptors_without_room_are_missed(
    pair: tuple[socket.socket, socket.socket], pipe: tuple[int, int]
) -> None:
    ours, theirs = pair
    calls = PreparedCalls()
    (fd,) = prepare_receive(theirs.fileno(), 1, pytest.fail, calls)
    socket.send_fds(ours, [b"g"], [*pipe])

    with pytest.raises(OSError, match="Too many open files"):
        calls.make()
    os.close(fd.value)
