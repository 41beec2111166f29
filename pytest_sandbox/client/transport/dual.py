"""Functions with two faces: a plain call blocks, and its `.aio` is awaited.

    class Sandbox:
        @dual
        async def terminate(self) -> None: ...

    sandbox.terminate()
    await sandbox.terminate.aio()

Both run the same coroutine on the portal's loop, and both have its signature: type checkers see
it through a `ParamSpec`, and `inspect`, `help` and `unittest.mock` see plain functions and bound
methods. Code that already runs on that loop awaits `.core`. A blocking call in a coroutine works,
and blocks the loop of that coroutine: `blocking` warns about it.
"""

from __future__ import annotations

import functools
import inspect
from types import FunctionType, MethodType
from typing import (
    TYPE_CHECKING,
    Any,
    Concatenate,
    Generic,
    ParamSpec,
    Protocol,
    TypeVar,
    cast,
    overload,
)

from .blocking import warn_in_coroutine
from .iterators import AwaitedIterator, BlockingIterator
from .keywords import Keywords
from .portal import portal

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Coroutine, Generator

__tracebackhide__ = True  # a failing test shows the caller's line, not these

P = ParamSpec("P")
R = TypeVar("R", covariant=True)
S = TypeVar("S")
C = TypeVar("C", covariant=True)
U = TypeVar("U", covariant=True)


class Faces(Protocol[P, R]):
    """A function, called from anywhere."""

    @property
    def __name__(self) -> str: ...

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run it to its end; blocks."""

    async def aio(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """The same, awaited."""


class Dual(Faces[P, R], Protocol[P, R]):
    """An async function, called from anywhere."""

    @property
    def core(self) -> Callable[P, Coroutine[Any, Any, R]]:
        """The async function itself, for the portal's loop."""


class DualIterator(Protocol[P, R]):
    """An async generator function, iterated from anywhere.

    A step that is cancelled or interrupted may be made again: see `iterators`.
    """

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Generator[R, None, None]:
        """Iterate over it; each step blocks."""

    def aio(self, *args: P.args, **kwargs: P.kwargs) -> AsyncGenerator[R, None]:
        """The same, for `async for`."""

    @property
    def core(self) -> Callable[P, AsyncGenerator[R, None]]:
        """The async generator function itself, for the portal's loop."""


def dual_function(
    core: Callable[P, Coroutine[Any, Any, R]], known: Callable[..., Any] | None = None
) -> Dual[P, R]:
    """Makes a function, or a static method, a `Dual`.

    Args:
        core: the function.
        known: its result, if no other loop has to be asked; takes the same arguments.
    """
    keywords = Keywords(core)

    @functools.wraps(core)
    def blocking(*args: P.args, **kwargs: P.kwargs) -> R:
        keywords.check(kwargs, blocking)
        _warn_of(blocking)
        if known is not None and (result := known(*args, **kwargs)) is not None:
            return cast("R", result)
        call = portal().call(lambda: core(*args, **kwargs), blocking=True)
        # Here and not in a function that this calls: Python 3.10 runs handlers of signals when
        # a function has returned.
        try:
            return call.wait()
        except BaseException:
            call.give_up()
            raise

    @functools.wraps(core)
    async def aio(*args: P.args, **kwargs: P.kwargs) -> R:
        keywords.check(kwargs, blocking)
        if known is not None and (result := known(*args, **kwargs)) is not None:
            return cast("R", result)
        return await portal().run_aio(lambda: core(*args, **kwargs))

    return cast("Dual[P, R]", _with_faces(blocking, aio, core))


def immediate(function: Callable[P, R]) -> Faces[P, R]:
    """Gives a function that calls no server the second face too, for code that awaits it."""

    @functools.wraps(function)
    async def aio(*args: P.args, **kwargs: P.kwargs) -> R:
        return function(*args, **kwargs)

    vars(function).update(aio=aio)
    return cast("Faces[P, R]", function)


def dual_iterator_function(core: Callable[P, AsyncGenerator[R, None]]) -> DualIterator[P, R]:
    """Makes a function, or a static method, a `DualIterator`."""
    return _iterating(core, lambda _: core.__qualname__)


def _iterating(
    core: Callable[P, AsyncGenerator[R, None]], name: Callable[[tuple[Any, ...]], str]
) -> DualIterator[P, R]:
    """A `DualIterator` that errors name by the arguments of the call."""
    keywords = Keywords(core)

    @functools.wraps(core)
    def blocking(*args: P.args, **kwargs: P.kwargs) -> Generator[R, None, None]:
        keywords.check(kwargs, blocking)
        _warn_of(blocking)
        return BlockingIterator(core(*args, **kwargs), name(args))

    @functools.wraps(core)
    def aio(*args: P.args, **kwargs: P.kwargs) -> AsyncGenerator[R, None]:
        keywords.check(kwargs, blocking)
        return AwaitedIterator(core(*args, **kwargs), name(args))

    _gives_a_generator(blocking, core)
    return cast("DualIterator[P, R]", _with_faces(blocking, aio, core))


def _gives_a_generator(blocking: Callable[..., Any], core: Callable[..., Any]) -> None:
    """Name what the blocking function returns: `Generator`, where `core` has `AsyncGenerator`."""
    item = core.__annotations__["return"].removeprefix("AsyncGenerator[").removesuffix(", None]")
    returned = f"Generator[{item}, None, None]"
    blocking.__annotations__ = {**core.__annotations__, "return": returned}
    signature = inspect.signature(core).replace(return_annotation=returned)
    vars(blocking).update(__signature__=signature)


def _warn_of(blocking: Callable[..., Any]) -> None:
    name = blocking.__name__  # not qualified: methods of `Sandbox` are defined in several classes
    warn_in_coroutine(f"{name}()", f"{name}.aio()")


def _with_faces(
    blocking: Callable[..., Any], aio: Callable[..., Any], core: Callable[..., Any]
) -> Callable[..., Any]:
    vars(blocking).update(aio=aio, core=core)
    return blocking


class BoundMethod:
    """A method of an object, with its faces. It passes for a bound method, as it is one.

    Args:
        function: the function of the class, with faces.
        instance: its first argument.
    """

    def __init__(self, function: Callable[..., Any], instance: object) -> None:
        self.__func__: Any = function
        self.__self__ = instance
        self.__doc__ = function.__doc__
        self.__module__ = function.__module__

    @property  # type: ignore[misc]  # an attribute of `object` that can be set
    def __class__(self) -> type[Any]:
        """For `isinstance`, by which `inspect`, `pydoc` and `unittest.mock` know methods."""
        return MethodType

    @property
    def __call__(self) -> MethodType:
        """The function with the object, for Python to call.

        A method that calls it would be one more frame in which an interrupt can drop the result.
        """
        return MethodType(self.__func__, self.__self__)

    @property
    def aio(self) -> MethodType:
        """The same, awaited."""
        return MethodType(self.__func__.aio, self.__self__)

    @property
    def core(self) -> MethodType:
        """The async function itself, for the portal's loop."""
        return MethodType(self.__func__.core, self.__self__)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__func__, name)

    def __reduce__(self) -> tuple[Any, ...]:
        """To a method of the pickled object, as bound methods are."""
        return getattr, (self.__self__, self.__func__.__name__)

    def __repr__(self) -> str:
        """As it is written in code: pytest shows this to explain a failed assertion."""
        return f"{self.__self__!r}.{self.__func__.__name__}"


class Method(Generic[U, C]):
    """A method with two faces: on the class a plain function, on an object a bound method.

    It passes for that function where it is found in the `__dict__` of the class: there
    `unittest.mock` looks for whether `self` is one of the arguments.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function: Any = function
        self.__doc__ = function.__doc__
        self.__module__ = function.__module__

    def __set_name__(self, owner: type[Any], name: str) -> None:
        for function in (self._function, self._function.aio):
            function.__name__ = name
            function.__qualname__ = f"{owner.__qualname__}.{name}"

    @property  # type: ignore[misc]  # an attribute of `object` that can be set
    def __class__(self) -> type[Any]:
        """For `isinstance`, by which `inspect`, `pydoc` and `unittest.mock` know functions."""
        return FunctionType

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function."""
        return self._function(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._function, name)

    @overload
    def __get__(self, instance: None, owner: type[Any]) -> U: ...

    @overload
    def __get__(self, instance: object, owner: type[Any]) -> C: ...

    def __get__(self, instance: object | None, owner: type[Any]) -> U | C:
        if instance is None:
            return cast("U", self._function)
        return cast("C", BoundMethod(self._function, instance))


def dual(
    core: Callable[Concatenate[S, P], Coroutine[Any, Any, R]],
) -> Method[Dual[Concatenate[S, P], R], Dual[P, R]]:
    """Makes a method a `Dual`."""
    return Method(dual_function(core))


def dual_unless(
    known: Callable[[S], object],
) -> Callable[
    [Callable[Concatenate[S, P], Coroutine[Any, Any, R]]],
    Method[Dual[Concatenate[S, P], R], Dual[P, R]],
]:
    """Makes a method a `Dual` that asks the portal's loop only if there is need to.

    Args:
        known: its result, if that is known already. On any thread.
    """

    def decorate(
        core: Callable[Concatenate[S, P], Coroutine[Any, Any, R]],
    ) -> Method[Dual[Concatenate[S, P], R], Dual[P, R]]:
        return Method(dual_function(core, known))

    return decorate


def dual_iterator(
    core: Callable[Concatenate[S, P], AsyncGenerator[R, None]],
) -> Method[DualIterator[Concatenate[S, P], R], DualIterator[P, R]]:
    """Makes a method a `DualIterator`."""
    return Method(_iterating(core, lambda args: f"{args[0]!r}.{core.__name__}"))


def faces(
    blocking: Callable[Concatenate[S, P], R],
    aio: Callable[Concatenate[S, P], Coroutine[Any, Any, R]],
) -> Method[Faces[Concatenate[S, P], R], Faces[P, R]]:
    """Makes a method with two faces of two methods, whose results pass through no other loop.

    For reads: what `Dual` runs on the portal's loop has taken an item before the caller has it,
    and an interrupt in between would lose the item.

    Args:
        blocking: the method that a plain call is.
        aio: the one that is awaited; its description is that of both.
    """
    keywords = Keywords(aio)

    @functools.wraps(aio)
    def plain(self: S, *args: P.args, **kwargs: P.kwargs) -> R:
        keywords.check(kwargs, plain)
        _warn_of(plain)
        return blocking(self, *args, **kwargs)

    @functools.wraps(aio)
    async def awaited(self: S, *args: P.args, **kwargs: P.kwargs) -> R:
        keywords.check(kwargs, plain)
        return await aio(self, *args, **kwargs)

    return Method(_with_faces(plain, awaited, aio))


class overloaded(Method[C, C]):  # noqa: N801 - a decorator
    """Makes a method a `Dual` whose types are given by a protocol, for those with overloads.

    `overloaded[Calls](core)`: `Calls` declares `__call__` and `aio`.
    """

    def __init__(self, core: Callable[..., Coroutine[Any, Any, Any]]) -> None:
        super().__init__(dual_function(core))
