"""A blocking call that is interrupted between any two of its steps."""

from __future__ import annotations

import asyncio
import gc
import itertools
import os
import sys
import warnings
from typing import TYPE_CHECKING, Any

import pytest_sandbox
from pytest_sandbox.client.transport.dual import dual
from pytest_sandbox.client.transport.portal import portal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

PACKAGE = os.path.dirname(pytest_sandbox.__file__)


class Interrupt:
    """Raises `KeyboardInterrupt` at one step of a call: where a line or a function begins.

    Args:
        step: its number, from 0.
    """

    def __init__(self, step: int) -> None:
        self._left = step

    def __call__(self, frame: FrameType, event: str, arg: Any) -> Any:
        """A trace function, for `sys.settrace`."""
        if not frame.f_code.co_filename.startswith(PACKAGE):
            return None
        if event in ("call", "line"):
            self._left -= 1
            if self._left == -1:
                raise KeyboardInterrupt
        return self


def interrupted_everywhere(call: Callable[[], object]) -> Iterator[None]:
    """Interrupt a call at its first step, then at its second, ... until it ends before that."""
    for step in itertools.count():
        before = sys.gettrace()
        sys.settrace(Interrupt(step))
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
