"""System calls that one process prepares, and another makes that is forked from it.

A process that was just forked has to copy each page of memory that it writes to, and Python writes
to every object that it looks at, if only to count references. To have a sandbox built by ordinary
code, PID 1 copied some five hundred pages, which took longer than all that the kernel did for it.
So the forker prepares the calls, with arguments as C has them, and a loop makes them.

Functions that can do both take `calls`, and make theirs at once by default.
"""

from __future__ import annotations

import ctypes
import functools
import os

from .syscalls import number

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

# PyDLL keeps the interpreter's lock, which no other thread waits for. The functions are objects of
# its own, so that `argtypes` that others declare are not asked for each argument.
_libc = ctypes.PyDLL(None, use_errno=True)


class PreparedCalls:
    """Calls in the order in which they are made."""

    def __init__(self) -> None:
        self._steps: list[Callable[[], object]] = []
        self._about: list[str] = []
        self._allowed: dict[int, tuple[int, ...]] = {}

    def add(
        self, function: str, *args: object, about: str = "", allowed: tuple[int, ...] = ()
    ) -> None:
        """A function of the C library that returns -1 if it fails.

        Args:
            function: its name.
            args: numbers, text, bytes, `None` and what ctypes has for pointers. A `c_long` counts
                as what it holds when the call is made.
            about: what an error names instead of the function: a path.
            allowed: errors that are none.

        Raises:
            OSError: the kernel refused it, if it was made at once.
        """
        self._add(_prepared(function, args), about or function, allowed)

    def add_number(self, name: str, *args: object, about: str = "") -> None:
        """A system call that the C library may not know: see `add` and `syscalls`."""
        self.add("syscall", number(name), *args, about=about or name)

    def add_opening(self, function: str, *args: object, about: str = "") -> ctypes.c_long:
        """Like `add`, for a function that returns a descriptor: that, for later calls."""
        descriptor = ctypes.c_long(-1)
        step = functools.partial(_keep, descriptor, _prepared(function, args))
        self._add(step, about or function, ())
        return descriptor

    def add_either(
        self, function: str, args: tuple[object, ...], others: tuple[object, ...], about: str
    ) -> None:
        """Like `add`, with other arguments if the kernel refuses the first ones."""
        steps = _prepared(function, args), _prepared(function, others)
        self._add(functools.partial(_either, *steps), about, ())

    def add_check(
        self, function: str, *args: object, expected: int, otherwise: Callable[[], object]
    ) -> None:
        """Like `add`, for a function that says something.

        Args:
            function: its name.
            args: as in `add`.
            expected: what it returns as a rule.
            otherwise: called if it returns anything else, but not if it fails.
        """
        self._add(
            functools.partial(_checked, _prepared(function, args), expected, otherwise),
            function,
            (),
        )

    def do(self, work: Callable[..., object], *args: object) -> None:
        """Something else, which raises if it fails."""
        self._add(functools.partial(work, *args), "", ())

    def do_unless(
        self,
        look: PreparedCalls,
        enough: Callable[[], bool],
        work: Callable[..., object],
        *args: object,
    ) -> None:
        """Something that may turn out not to be needed.

        Args:
            look: calls that find that out; if one fails, it is needed.
            enough: called after them: whether it is not needed.
            work: what it is.
            args: its arguments.
        """
        self.do(_unless, look, enough, functools.partial(work, *args))

    def make(self) -> None:
        """Make them all.

        Raises:
            OSError: the kernel refused one, and the later ones are not made.
        """
        for index, step in enumerate(self._steps):
            if step() == -1:
                self._failed(index)

    def _add(self, step: Callable[[], object], about: str, allowed: tuple[int, ...]) -> None:
        if allowed:
            self._allowed[len(self._steps)] = allowed
        self._steps.append(step)
        self._about.append(about)

    def _failed(self, index: int) -> None:
        _check_errno(self._about[index], self._allowed.get(index, ()))


class _AtOnce(PreparedCalls):
    """Makes each call when it is added."""

    def _add(self, step: Callable[[], object], about: str, allowed: tuple[int, ...]) -> None:
        if step() == -1:
            _check_errno(about, allowed)


def _unless(look: PreparedCalls, enough: Callable[[], bool], work: Callable[[], object]) -> None:
    try:
        look.make()
        if enough():
            return
    except OSError:
        pass  # a kernel or a filter may also not know a call
    work()


#: The default of functions that take `calls`.
NOW = _AtOnce()


def _prepared(function: str, args: tuple[object, ...]) -> Callable[[], int]:
    return functools.partial(getattr(_libc, function), *map(_converted, args))


def _keep(descriptor: ctypes.c_long, step: Callable[[], int]) -> int:
    descriptor.value = fd = step()
    return fd


def _checked(step: Callable[[], int], expected: int, otherwise: Callable[[], object]) -> int:
    result = step()
    if result not in (expected, -1):
        otherwise()
    return result


def _either(first: Callable[[], int], second: Callable[[], int]) -> int:
    return second() if first() == -1 else 0


def _check_errno(about: str, allowed: tuple[int, ...]) -> None:
    errno = ctypes.get_errno()
    if errno not in allowed:
        raise OSError(errno, os.strerror(errno), about)


def _converted(argument: object) -> object:
    if isinstance(argument, int):
        return _long(argument)
    return os.fsencode(argument) if isinstance(argument, str) else argument


@functools.lru_cache(512)  # the same few flags, in few pages
def _long(value: int) -> ctypes.c_long:
    # ctypes would pass a Python int as a 32-bit one, and leave the upper half of the register
    # undefined, where the kernel reads 64 bits: syscall(2) and mount(2) take longs.
    return ctypes.c_long(value)
