"""A blocking call that is interrupted between any two of its steps."""

from __future__ import annotations

import asyncio
import gc
import itertools
import os
import sys
import warnings
from typing import TYPE_CHECKING, Any

import pytest

import pytest_sandbox
from pytest_sandbox import Sandbox
from pytest_sandbox.client.transport.dual import dual
from pytest_sandbox.client.transport.portal import portal
from pytest_sandbox.inmemory import FakeSandboxes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

PACKAGE = os.path.dirname(pytest_sandbox.__file__)


class Interrupt:
    """Raises `KeyboardInterrupt` at one step of a call.

    Args:
        step: its number, from 0.
        events: what a step is: where a function begins (`call`), where a line does (`line`).
    """

    def __init__(self, step: int, events: tuple[str, ...]) -> None:
        self._left = step
        self._events = events

    def __call__(self, frame: FrameType, event: str, arg: Any) -> Any:
        """A trace function, for `sys.settrace`."""
        if not frame.f_code.co_filename.startswith(PACKAGE):
            return None
        if event in self._events:
            self._left -= 1
            if self._left == -1:
                raise KeyboardInterrupt
        return self


def interrupted_everywhere(
    call: Callable[[], object], events: tuple[str, ...] = ("call", "line")
) -> Iterator[None]:
    """Interrupt a call at its first step, then at its second, ... until it ends before that."""
    for step in itertools.count():
        before = sys.gettrace()
        sys.settrace(Interrupt(step, events))
        try:
            call()
        except KeyboardInterrupt:
            sys.settrace(before)
            yield
        else:
            return
        finally:
            sys.settrace(before)


class Thing:
    @dual
    async def wait(self) -> None:
        await asyncio.sleep(0)


def test_no_coroutine_is_left_that_was_never_awaited() -> None:
    thing = Thing()
    thing.wait()
    steps = 0

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
