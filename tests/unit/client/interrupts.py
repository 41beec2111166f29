"""Interrupts a blocking call between any two of its steps."""

from __future__ import annotations

import itertools
import os
import sys
from typing import TYPE_CHECKING, Any

import pytest_sandbox

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

PACKAGE = os.path.dirname(pytest_sandbox.__file__)


class Interrupt:
    """Raises `KeyboardInterrupt` at one step of a call.

    Args:
        step: its number, from 0.
        events: what a step is: where a function begins (`call`), where a line does (`line`), where
            a function of the package returns to another of the package (`return`).
    """

    def __init__(self, step: int, events: tuple[str, ...]) -> None:
        self._left = step
        self._events = events

    def __call__(self, frame: FrameType, event: str, arg: Any) -> Any:
        """A trace function, for `sys.settrace`."""
        if not _in_package(frame) or _in_destructor(frame):
            return None
        if event in self._events and (event != "return" or _in_package(frame.f_back)):
            self._left -= 1
            if self._left == -1:
                raise KeyboardInterrupt
        return self


def _in_package(frame: FrameType | None) -> bool:
    return frame is not None and frame.f_code.co_filename.startswith(PACKAGE)


def _in_destructor(frame: FrameType | None) -> bool:
    """Whether Python drops exceptions that are raised there."""
    while frame is not None and frame.f_code.co_name != "__del__":
        frame = frame.f_back
    return frame is not None


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
