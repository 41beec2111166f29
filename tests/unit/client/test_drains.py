"""Written data arrives once, in order, with the end last, however often `drain` is called."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_sandbox.client import Sandbox, StreamWriter
from pytest_sandbox.client.transport.portal import portal
from pytest_sandbox.inmemory import FakeSandboxes

if TYPE_CHECKING:
    from collections.abc import Iterator

WAYS = ["router", "control plane", "main process"]


@pytest.fixture
def fake() -> Iterator[FakeSandboxes]:
    """An engine whose time stands still."""
    with FakeSandboxes(autojump=False) as fake:
        yield fake


def started(fake: FakeSandboxes, way: str) -> Any:
    """`cat`, or a sandbox whose main process it is."""
    if way == "main process":
        return Sandbox.create("cat")
    sandbox = Sandbox.create()
    if way == "control plane":
        fake.faults.on("TaskGetCommandRouterAccess").status("FAILED_PRECONDITION").always()
        sandbox = Sandbox.from_id(sandbox.object_id)
    return sandbox.exec("cat")


@pytest.mark.parametrize("way", WAYS)
def test_concurrent_drains_send_once(fake: FakeSandboxes, way: str) -> None:
    process = started(fake, way)

    async def main() -> None:
        process.stdin.write("hello")
        await asyncio.gather(*(process.stdin.drain.aio() for _ in range(3)))
        process.stdin.write_eof()
        await asyncio.gather(*(process.stdin.drain.aio() for _ in range(3)))

    portal().run(main)  # the loop that sends: so all three begin before one ends

    assert process.stdout.read() == "hello"


def test_drains_of_threads_send_once(fake: FakeSandboxes) -> None:
    process = started(fake, "router")
    process.stdin.write("hello")
    threads = [threading.Thread(target=process.stdin.drain) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    process.stdin.write_eof()
    process.stdin.drain()

    assert process.stdout.read() == "hello"


def test_what_is_written_during_a_drain_comes_behind_it() -> None:
    """The end too, although the drain that is under way does not know of it yet."""
    sent: list[tuple[bytes, bool]] = []
    busy = threading.Event()

    async def sink(data: bytes, eof: bool) -> None:
        busy.set()
        await asyncio.to_thread(accepted.wait)
        sent.append((data, eof))

    accepted = threading.Event()
    writer = StreamWriter(sink)
    writer.write("one")
    draining = threading.Thread(target=writer.drain)
    draining.start()
    busy.wait()
    writer.write("two")
    writer.write_eof()
    accepted.set()
    writer.drain()
    draining.join()

    assert sent == [(b"one", False), (b"two", True)]


def test_the_end_is_sent_once() -> None:
    sent: list[tuple[bytes, bool]] = []

    async def sink(data: bytes, eof: bool) -> None:
        sent.append((data, eof))

    writer = StreamWriter(sink)
    writer.write("one")
    writer.write_eof()
    writer.drain()
    writer.drain()

    assert sent == [(b"one", True)]


@pytest.mark.parametrize("way", WAYS)
@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.text("ab\n", min_size=1, max_size=4), min_size=1, max_size=6),
    st.lists(st.tuples(st.integers(0, 3), st.none() | st.integers(0, 60)), max_size=8),
)
def test_bytes_arrive_once_wherever_drains_are_cancelled(
    way: str, words: list[str], drains: list[tuple[int, int | None]]
) -> None:
    """Each drain comes behind so many words, and is cancelled after so many turns of the loop."""
    with FakeSandboxes() as fake:
        process = started(fake, way)
        portal().run(lambda: written(process.stdin, iter(words), drains))

        assert process.stdout.read() == "".join(words)


async def written(
    stdin: StreamWriter, words: Iterator[str], drains: list[tuple[int, int | None]]
) -> None:
    for count, turns in drains:
        for _, word in zip(range(count), words, strict=False):
            stdin.write(word)
        draining = asyncio.ensure_future(stdin.drain.aio())
        for _ in range(turns or 0):
            await asyncio.sleep(0)
        if turns is not None:
            draining.cancel()
        await asyncio.gather(draining, return_exceptions=True)
    for word in words:
        stdin.write(word)
    stdin.write_eof()
    await stdin.drain.aio()
