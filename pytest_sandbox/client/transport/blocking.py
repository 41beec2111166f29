"""Warns about blocking calls in coroutines: everything else on their event loop has to wait."""

from __future__ import annotations

import asyncio
import inspect
import os
import sys
import warnings
from typing import TYPE_CHECKING

from pytest_sandbox._shared.idle_loop import IdleEventLoop

from ..exceptions import BlockingCallWarning

if TYPE_CHECKING:
    from types import FrameType

__tracebackhide__ = True  # a failing test shows the caller's line, not these

_PACKAGE = __name__.partition(".")[0]
#: They call fixtures and cells from coroutines of their own, or what is typed while a coroutine
#: stands still, where a blocking call is right.
_RUNNERS = ("_pytest", "pluggy", "IPython", "ipykernel", "pdb", "bdb", "_pydevd_bundle")
_COROUTINE = inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR
#: Where it was warned of already, during `_test`: a loop would give one warning for each step.
_warned: set[tuple[str, int]] = set()
_test: str | None = None


def warn_in_coroutine(blocking: str, awaited: str) -> None:
    """Warn if a coroutine made this call, once for each line of code and test.

    Calls by this package itself, and by pytest, IPython or a debugger, are right where they are.

    Args:
        blocking: the call, for the warning.
        awaited: what to write instead.
    """
    loop = asyncio._get_running_loop()  # noqa: SLF001 - the public one raises if there is none
    if (loop is None and not _in_trio()) or isinstance(loop, IdleEventLoop):
        return  # the portal's own loop refuses such calls
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001
    level = 2  # of what `warn` counts, this frame being 1
    while frame is not None and _part_of(frame) == _PACKAGE:
        frame = frame.f_back
        level += 1
    if frame is None or not _in_coroutine(frame) or not _is_new(frame):
        return
    message = f"{blocking} blocks the event loop on which this coroutine runs; use {awaited}"
    warnings.warn(message, BlockingCallWarning, stacklevel=level)
    # Not before: where the warning is an error, each call has to raise it.
    _warned.add((frame.f_code.co_filename, frame.f_lineno))


def _in_trio() -> bool:
    trio = sys.modules.get("trio")
    return trio is not None and bool(trio.lowlevel.in_trio_task())


def _part_of(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", "")).partition(".")[0]


def _in_coroutine(frame: FrameType | None) -> bool:
    """Whether the innermost coroutine is the user's own, not one of what runs the user's code."""
    while frame is not None and _part_of(frame) not in _RUNNERS:
        if frame.f_code.co_flags & _COROUTINE:
            return True
        frame = frame.f_back
    return False


def _is_new(frame: FrameType) -> bool:
    global _test
    if _test != (current := os.environ.get("PYTEST_CURRENT_TEST")):
        _test = current
        _warned.clear()
    return (frame.f_code.co_filename, frame.f_lineno) not in _warned
