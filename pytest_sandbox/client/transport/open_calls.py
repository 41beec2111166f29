"""Calls of one client that stay open, of which there may only be so many."""

from __future__ import annotations

from typing import Protocol

__tracebackhide__ = True  # a failing test shows the caller's line, not these

#: Calls about what has ended that stay open all the same.
MOST_ENDED = 16


class OpenCall(Protocol):
    """A call that stays open as long as it is of use."""

    def retire(self) -> bool:
        """End it; `False` if its caller waits for something."""


class OpenCalls:
    """Calls that stay open. Its length is the number of those about something that runs.

    Those about something that has ended are of little use: only so many of them stay open.
    """

    def __init__(self) -> None:
        self._running: set[OpenCall] = set()
        self._ended: dict[OpenCall, None] = {}  # the oldest first

    def __len__(self) -> int:
        return len(self._running)

    def begin(self, call: OpenCall) -> None:
        """A call begins."""
        self._running.add(call)

    def ended(self, call: OpenCall) -> None:
        """What the call is about has ended."""
        if call not in self._running:
            return
        self._running.remove(call)
        self._ended[call] = None
        for each in list(self._ended):
            if len(self._ended) <= MOST_ENDED:
                break
            if each.retire():
                self.over(each)

    def over(self, call: OpenCall) -> None:
        """The call is over."""
        self._running.discard(call)
        self._ended.pop(call, None)
