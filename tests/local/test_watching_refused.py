"""The kernel watches no more descriptors: callers hear of it at once, and nothing is lost."""

from __future__ import annotations

import asyncio
import errno
import os
import selectors
import socket
from typing import TYPE_CHECKING, Any

import pytest

from pytest_sandbox.engine import OutputLog, ProcessSpec, PtySize, StoreFull, TaskSpec
from pytest_sandbox.local import LocalEngine
from pytest_sandbox.local.agents.channel import Channel
from pytest_sandbox.local.agents.pump import Pump
from pytest_sandbox.local.agents.ready import read_now, readable, writable
from pytest_sandbox.local.agents.stdin_pump import StdinPump
from pytest_sandbox.local.protocol import wire
from pytest_sandbox.local.protocol.agent import RemoveRequest

if TYPE_CHECKING:
    from collections.abc import Coroutine

LONG = 30  # seconds: what waits for ever is a failure


class FullSelector(selectors.EpollSelector):
    """Refuses new descriptors while it is full, as epoll_ctl(2) does."""

    full = False

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        if self.full:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return super().register(fileobj, events, data)


def run(test: Coroutine[Any, Any, None], selector: FullSelector) -> None:
    """Run it on a loop with this selector, and see that it leaves nothing watched."""
    loop = asyncio.SelectorEventLoop(selector)
    try:
        loop.run_until_complete(asyncio.wait_for(test, LONG))
        own = len(selector.get_map())
        assert own == 1, "only the loop's own descriptor is still watched"
    finally:
        loop.close()


def test_waiting_for_a_descriptor_fails_at_once() -> None:
    selector = FullSelector()

    async def test() -> None:
        read, write = os.pipe()
        selector.full = True
        for wait, fd in ((readable, read), (writable, write)):
            with pytest.raises(OSError, match="the event loop cannot watch one more descriptor"):
                await wait(fd)
        os.close(read)
        os.close(write)

    run(test(), selector)


def test_what_cannot_begin_closes_what_it_was_given() -> None:
    selector = FullSelector()

    async def test() -> None:
        read, write = os.pipe()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        selector.full = True
        running: set[Pump] = set()
        with pytest.raises(OSError, match="cannot watch"):
            Pump(read, OutputLog(), running)
        with pytest.raises(OSError, match="No space"):
            Channel(ours, wire.family(), lambda *_: None, lambda _: None)
        assert not running
        with pytest.raises(BrokenPipeError):
            os.write(write, b"x")
        assert theirs.recv(1) == b""
        assert ours.fileno() == -1
        os.close(write)
        theirs.close()

    run(test(), selector)


def test_output_that_has_begun_goes_on() -> None:
    selector = FullSelector()

    async def test() -> None:
        read, write = os.pipe()
        log = OutputLog(capacity=2)
        pump = Pump(read, log, set())
        os.write(write, b"one")
        assert await log.ready(0)
        assert log.full  # so that the pipe is watched no more
        selector.full = True
        os.write(write, b"two")
        os.close(write)
        assert b"".join([data async for data in log.follow()]) == b"onetwo"
        await pump.aclose()

    run(test(), selector)


def test_input_that_has_begun_goes_on() -> None:
    selector = FullSelector()

    async def test() -> None:
        read, write = os.pipe()
        os.set_blocking(read, False)
        stdin = StdinPump(write)
        selector.full = True
        data = os.urandom(300_000)  # more than a pipe holds
        writing = asyncio.ensure_future(stdin.write(data))
        received = b""
        while len(received) < len(data):
            await asyncio.sleep(0)
            received += read_now(read, 65536) or b""
        await writing
        assert received == data
        stdin.release()
        os.close(read)

    run(test(), selector)


def test_messages_that_do_not_fit_are_sent_later() -> None:
    selector = FullSelector()

    async def test() -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        channel = Channel(ours, wire.family(), lambda *_: None, lambda _: None)
        selector.full = True
        expected = [RemoveRequest(path=f"/{number}" + "x" * 20_000) for number in range(50)]
        for message in expected:
            channel.send(message)
        family = wire.family(RemoveRequest)
        received: list[object] = []
        while len(received) < len(expected):
            received.append(wire.receive(theirs, family)[0])
            await asyncio.sleep(0.001)
        assert received == expected
        channel.close()
        theirs.close()

    run(test(), selector)


def test_a_new_process_and_a_new_sandbox_fail_at_once_and_leave_the_others_alone() -> None:
    selector = FullSelector()

    async def test() -> None:
        engine = LocalEngine()
        await engine.start()
        task = await engine.create(TaskSpec())
        cat = await task.exec(ProcessSpec(("cat",)))
        selector.full = True
        for spec in (ProcessSpec(("true",)), ProcessSpec(("true",), pty=PtySize())):
            with pytest.raises(StoreFull, match="cannot watch one more descriptor"):
                await task.exec(spec)
        with pytest.raises(StoreFull, match="no room for another sandbox"):
            await engine.create(TaskSpec())
        await cat.write_stdin(b"still here")
        await cat.close_stdin()
        assert b"".join([data async for data in cat.stdout.follow()]) == b"still here"
        selector.full = False
        assert (await (await task.exec(ProcessSpec(("true",)))).wait()).returncode == 0
        await engine.close()

    run(test(), selector)
