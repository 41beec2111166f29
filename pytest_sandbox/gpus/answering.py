"""Calls that may hang: a thread makes them, and whoever waits for one gives up in time.

A call into a driver that hangs cannot be interrupted, not even by a signal.
"""

import queue
import threading
from collections.abc import Callable
from typing import Any, TypeVar

from .errors import DriverHangs

T = TypeVar("T")


class Answering:
    """A thread that makes one call after another.

    Args:
        limit: seconds that one may take.
    """

    def __init__(self, limit: float) -> None:
        self._limit = limit
        self._calls: queue.SimpleQueue[tuple[Callable[[], Any], _Answer]] = queue.SimpleQueue()
        self._hangs = ""
        self._mutex = threading.Lock()
        self._thread: threading.Thread | None = None

    def call(self, name: str, function: Callable[[], T]) -> T:
        """What a function returns.

        Args:
            name: of the call, for errors.
            function: called in the thread.

        Raises:
            DriverHangs: it took too long, or an earlier call did, which still hangs.
            Exception: what the function raised.
        """
        if self._hangs:
            raise DriverHangs(self._hangs)
        with self._mutex:
            if self._thread is None:
                # A daemon: the interpreter does not wait for it at its end.
                self._thread = threading.Thread(target=self._run, name="nvml", daemon=True)
                self._thread.start()
        answer = _Answer()
        self._calls.put((function, answer))
        if not answer.done.wait(self._limit):
            self._hangs = f"the driver hangs: NVML did not answer {name} within {self._limit:g} s"
            raise DriverHangs(self._hangs)
        if answer.error is not None:
            raise answer.error
        result: T = answer.value
        return result

    def _run(self) -> None:
        while True:
            function, answer = self._calls.get()
            try:
                answer.value = function()
            except Exception as error:
                answer.error = error
            answer.done.set()


class _Answer:
    def __init__(self) -> None:
        self.done = threading.Event()
        self.value: Any = None
        self.error: Exception | None = None
