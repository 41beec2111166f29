"""Functions for an event loop of another thread, which is woken once for many of them.

asyncio wakes the loop for each: that is a call of the kernel, in which the other thread takes the
interpreter, and loses it again at the next one. With many calls at once this took more time than
the calls.
"""

from __future__ import annotations

import weakref
from collections import deque
from contextvars import copy_context
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable
    from contextvars import Context

__tracebackhide__ = True  # a failing test shows the caller's line, not these


class Mailbox:
    """Has functions called on a loop, in their order, each in the context of its sender.

    Args:
        loop: calls them.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = weakref.ref(loop)
        self._sent: deque[tuple[Context, Callable[[], object]]] = deque()
        self._waking = False

    def send(self, function: Callable[[], object]) -> None:
        """Have a function called soon; from any thread.

        Raises:
            RuntimeError: the loop is closed.
        """
        loop = self._loop()
        if loop is None:
            raise RuntimeError("the event loop is gone")
        self._sent.append((copy_context(), function))
        if self._waking:
            return
        # No interrupt comes between these two statements: Python looks for signals neither after
        # an assignment nor before `try`.
        self._waking = True
        try:
            loop.call_soon_threadsafe(self._deliver, loop)
        except BaseException:
            self._waking = False
            raise

    def _deliver(self, loop: asyncio.AbstractEventLoop) -> None:
        self._waking = False  # first: what is sent from now on wakes the loop again
        for _ in range(len(self._sent)):
            if not self._sent:
                return
            context, function = self._sent.popleft()
            try:
                context.run(function)
            except Exception as error:
                message = f"a function sent to the loop failed: {function!r}"
                loop.call_exception_handler({"message": message, "exception": error})


_of_loop: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Mailbox]
_of_loop = weakref.WeakKeyDictionary()


def mailbox_of(loop: asyncio.AbstractEventLoop) -> Mailbox:
    """The mailbox of a loop; on its thread."""
    mailbox = _of_loop.get(loop)
    if mailbox is None:
        mailbox = _of_loop[loop] = Mailbox(loop)
    return mailbox
