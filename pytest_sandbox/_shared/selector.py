"""A selector that still works where the kernel watches no more descriptors."""

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

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        try:
            return self._selector.register(fileobj, events, data)
        except OSError as error:
            if error.errno not in _REFUSALS or isinstance(self._selector, selectors.PollSelector):
                raise
        self._use_poll()
        return self._selector.register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._selector.unregister(fileobj)

    def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._selector.modify(fileobj, events, data)

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
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
