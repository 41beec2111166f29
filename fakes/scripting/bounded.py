"""Plain functions of a test that never return."""

import ctypes
import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

#: Seconds, of real time, that a plain function may take: nothing else runs meanwhile.
LIMIT = 10.0


class NeverReturned(Exception):
    """A handler held up everything; the traceback shows where it was."""


def bounded(function: Callable[[], T]) -> T:
    """Call a function, and break off what it does in Python if that takes too long.

    Raises:
        NeverReturned: it took longer than `LIMIT`.
    """
    thread = threading.get_ident()
    lock = threading.Lock()
    over = False

    def break_off() -> None:
        with lock:
            if not over:
                _raise_in(thread, NeverReturned)

    timer = threading.Timer(LIMIT, break_off)
    timer.daemon = True
    timer.start()
    try:
        return function()
    except NeverReturned as error:
        raise NeverReturned(
            f"it did not return within {LIMIT:g} s of real time; use an async function that "
            "awaits Call.sleep() to let time pass"
        ).with_traceback(error.__traceback__) from None
    finally:
        with lock:
            over = True
        timer.cancel()


def _raise_in(thread: int, error: type[BaseException]) -> None:
    """Have an exception raised in another thread, as soon as it runs Python code again."""
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(error))
