"""Where the kernel watches no more descriptors, connections are served all the same."""

from __future__ import annotations

import asyncio
import errno
import os
import selectors
from typing import Any

import pytest

from pytest_sandbox._shared.selector import UnboundedSelector, run


class FullEpoll(selectors.EpollSelector):
    """Refuses new descriptors while it is full, as epoll_ctl(2) does."""

    full = False
    reason = errno.ENOSPC

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        if self.full:
            raise OSError(self.reason, os.strerror(self.reason))
        return super().register(fileobj, events, data)


def serve_one(selector: selectors.BaseSelector, epoll: FullEpoll) -> bytes:
    """Answer one connection on a loop; the kernel watches nothing more once it listens."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write((await reader.readline()).upper())
        writer.close()

    async def main() -> bytes:
        server = await asyncio.start_server(echo, "127.0.0.1", 0)
        epoll.full = True
        async with server:
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            writer.write(b"hello\n")
            answer = await asyncio.wait_for(reader.read(), 30)
            writer.close()
            return answer

    loop = asyncio.SelectorEventLoop(selector)
    try:
        return loop.run_until_complete(main())
    finally:
        loop.close()


@pytest.mark.parametrize("reason", [errno.ENOSPC, errno.ENOMEM])
def test_connections_are_served_when_epoll_is_full(reason: int) -> None:
    epoll = FullEpoll()
    epoll.reason = reason
    assert serve_one(UnboundedSelector(epoll), epoll) == b"HELLO\n"


def test_other_errors_are_errors() -> None:
    epoll = FullEpoll()
    epoll.full, epoll.reason = True, errno.EPERM
    selector = UnboundedSelector(epoll)
    with pytest.raises(PermissionError):
        selector.register(0, selectors.EVENT_READ)
    selector.close()


def test_what_was_watched_stays_watched() -> None:
    epoll = FullEpoll()
    selector = UnboundedSelector(epoll)
    (first, one), (second, two) = os.pipe(), os.pipe()
    selector.register(first, selectors.EVENT_READ, "first")
    epoll.full = True
    selector.register(second, selectors.EVENT_READ, "second")
    os.write(one, b"x")
    os.write(two, b"x")
    assert {key.data for key, _ in selector.select(1)} == {"first", "second"}
    selector.unregister(first)
    assert [key.data for key, _ in selector.select(1)] == ["second"]
    selector.close()
    for fd in (first, one, second, two):
        os.close(fd)


def test_run_runs_on_such_a_loop() -> None:
    async def main() -> str:
        await asyncio.sleep(0)
        return "done"

    assert run(main()) == "done"
