"""A blocking call that is interrupted between any two of its steps."""

from __future__ import annotations

import asyncio
import gc
import warnings
from typing import TYPE_CHECKING

import pytest

from pytest_sandbox import Sandbox
from pytest_sandbox.client.transport.dual import dual
from pytest_sandbox.client.transport.portal import portal
from pytest_sandbox.inmemory import FakeSandboxes

from .interrupts import interrupted_everywhere

if TYPE_CHECKING:
    from collections.abc import Callable


class Thing:
    @dual
    async def wait(self) -> None:
        await asyncio.sleep(0)


def test_no_coroutine_is_left_that_was_never_awaited() -> None:
    thing = Thing()
    thing.wait()
    steps = 0

    gc.freeze()  # else each collection looks at what a thousand tests have left
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in interrupted_everywhere(thing.wait):
            steps += 1
            gc.collect()
        thing.wait()  # the loop has done what it was left with
        gc.collect()

    assert steps > 10
    assert [str(warning.message) for warning in caught] == []


def test_a_call_that_is_cancelled_before_it_begins_leaves_no_coroutine() -> None:
    thing = Thing()

    async def main() -> None:
        async def give_up() -> None:
            """On the portal's loop, so that the call cannot begin meanwhile."""
            call = portal().submit(lambda: thing.wait.core())
            call.cancel()

        await asyncio.wrap_future(portal().submit(give_up))

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        asyncio.run(main())
        thing.wait()
        gc.collect()

    assert [str(warning.message) for warning in caught] == []


def first_item(read: Callable[[], str]) -> str:
    """What a read gives after it was interrupted wherever Python runs handlers of signals."""
    got = []
    steps = sum(1 for _ in interrupted_everywhere(lambda: got.append(read()), events=("call",)))
    assert steps > 5
    return got[0]


@pytest.mark.parametrize(("method", "first"), [("readline", "one\n"), ("read", "one\ntwo\n")])
def test_an_interrupted_read_of_a_file_loses_nothing(method: str, first: str) -> None:
    with FakeSandboxes():
        sandbox = Sandbox.create()
        sandbox.filesystem.write_text("one\ntwo\n", "/tmp/file")
        file = sandbox.open("/tmp/file", "r")

        assert first_item(getattr(file, method)) == first


@pytest.mark.parametrize(("method", "first"), [("__next__", "one\n"), ("read", "one\ntwo\n")])
def test_an_interrupted_read_of_a_stream_loses_nothing(method: str, first: str) -> None:
    with FakeSandboxes() as fake:
        fake.on_exec("print").reply(stdout="one\ntwo\n")
        stdout = Sandbox.create().exec("print", bufsize=1).stdout

        assert first_item(getattr(stdout, method)) == first


def test_a_read_that_cannot_be_decoded_is_taken() -> None:
    with FakeSandboxes():
        sandbox = Sandbox.create()
        sandbox.filesystem.write_bytes(b"\xff\ntwo\n", "/tmp/file")
        file = sandbox.open("/tmp/file", "r")

        with pytest.raises(UnicodeDecodeError):
            file.readline()
        assert file.readline() == "two\n"
