"""What a test wants to know of the calls of a cloud, and to happen at them."""

import threading
from collections.abc import Callable
from typing import Any

from grpclib import Status


class Hooks:
    """Sees each call, and does what a test planned for it.

    Attributes:
        counts: how many calls there were, by name.
        ended: how many of them have ended.
    """

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}
        self.ended: dict[str, int] = {}
        self._planned: dict[tuple[str, int], Callable[[], object]] = {}
        self._changed = threading.Condition()

    def wait_for(self, rpc: str, count: int) -> None:
        """Wait until there were so many calls of a name."""
        with self._changed:
            assert self._changed.wait_for(lambda: self.counts.get(rpc, 0) >= count, 20)

    def at(self, rpc: str, nth: int, act: Callable[[], object]) -> None:
        """Do something when the call comes that is the `nth` of its name from now on."""
        self._planned[rpc, self.counts.get(rpc, 0) + nth] = act

    def wait_for_end(self, rpc: str, count: int) -> None:
        """Wait until so many calls of a name have ended."""
        with self._changed:
            assert self._changed.wait_for(lambda: self.ended.get(rpc, 0) >= count, 20)

    def call(self, rpc: str, stream: Any) -> None:
        """A call has come."""
        with self._changed:
            count = self.counts[rpc] = self.counts.get(rpc, 0) + 1
            self._changed.notify_all()
        act = self._planned.pop((rpc, count), None)
        if act is not None:
            act()

    def request(self, stream: Any, message: Any) -> None:
        """A message of the client has come."""

    def response(self, stream: Any, message: Any) -> None:
        """An answer is about to be sent."""

    def end(self, rpc: str, stream: Any, status: Status) -> None:
        """A call is about to end."""
        with self._changed:
            self.ended[rpc] = self.ended.get(rpc, 0) + 1
            self._changed.notify_all()
