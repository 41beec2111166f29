"""A selector that asks the kernel seldom, and works where that watches no more descriptors."""

import asyncio
import errno
import selectors
import sys
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Coroutine, Mapping

T = TypeVar("T")

#: What `epoll_ctl(2)` says when it cannot watch one more: the user's bound is reached
#: (`fs.epoll.max_user_watches`), or there is no memory for it.
_REFUSALS = frozenset({errno.ENOSPC, errno.ENOMEM})
#: Turns of an event loop that has more to do in which the kernel is not asked for input: the
#: question takes as long as the step of a task, and what comes meanwhile waits for so many of these
#: at most.
UNASKED = 3
#: The same for a loop that watches nothing but its own wake-up descriptor. What writes to that has
#: put its callback in the loop already; only the handlers of signals come through it.
_UNASKED_ALONE = 16


class UnboundedSelector(selectors.BaseSelector):
    """Uses `epoll(7)` until that refuses a descriptor, and from then on `poll(2)`.

    An asyncio transport starts to watch its socket in a callback of the event loop. An error there
    is logged and goes no further: a connection is there that nobody reads, and its peer waits for
    an answer until it gives up. `poll` takes longer for each call, but has no bound of that kind.

    Args:
        first: what is used first; `None` for the platform's best.
    """

    def __init__(self, first: selectors.BaseSelector | None = None) -> None:
        self._selector = first or selectors.DefaultSelector()
        self._registered = 0
        self._unasked = 0

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        key = self._register(fileobj, events, data)
        self._registered += 1
        return key

    def _register(self, fileobj: Any, events: int, data: Any) -> selectors.SelectorKey:
        try:
            return self._selector.register(fileobj, events, data)
        except OSError as error:
            if error.errno not in _REFUSALS or isinstance(self._selector, selectors.PollSelector):
                raise
        self._use_poll()
        return self._selector.register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        key = self._selector.unregister(fileobj)
        self._registered -= 1
        return key

    def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._selector.modify(fileobj, events, data)

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """What is ready. A loop that has more to do gives no time to wait."""
        most = UNASKED if self._registered > 1 else _UNASKED_ALONE
        if timeout == 0 and self._unasked < most:
            self._unasked += 1
            return []
        return self.ask(timeout)

    def ask(self, timeout: float | None) -> list[tuple[selectors.SelectorKey, int]]:
        """What is ready, which the kernel is asked in any case."""
        self._unasked = 0
        return self._selector.select(timeout)

    def close(self) -> None:
        self._selector.close()

    def get_map(self) -> "Mapping[Any, selectors.SelectorKey]":
        return self._selector.get_map()

    def _use_poll(self) -> None:
        poll = selectors.PollSelector()
        for key in self._selector.get_map().values():
            poll.register(key.fileobj, key.events, key.data)
        self._selector.close()
        self._selector = poll


def run(main: "Coroutine[Any, Any, T]") -> T:
    """Like `asyncio.run`, on an event loop with an `UnboundedSelector`."""
    if sys.version_info >= (3, 11):
        with asyncio.Runner(loop_factory=_new_loop) as runner:
            return runner.run(main)
    loop = _new_loop()
    try:
        return loop.run_until_complete(main)
    finally:
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()


def _new_loop() -> asyncio.AbstractEventLoop:
    return asyncio.SelectorEventLoop(UnboundedSelector())
