"""Functions with two faces: a plain call blocks, and its `.aio` is awaited.

    class Sandbox:
        @dual
        async def terminate(self) -> None: ...

    sandbox.terminate()
    await sandbox.terminate.aio()

Both run the same coroutine on the portal's loop, and both have its signature: type checkers see
it through a `ParamSpec`. Code that already runs on that loop awaits `.core`. A blocking call
inside a running loop works, without a warning as with Modal 1.2.3, and blocks that loop.
"""

from __future__ import annotations

from types import MethodType
from typing import TYPE_CHECKING, Any, Concatenate, Generic, ParamSpec, TypeVar, cast, overload

from .iterators import AwaitedIterator, BlockingIterator
from .portal import arrival, portal

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Coroutine, Generator

    from typing_extensions import Self

__tracebackhide__ = True  # a failing test shows the caller's line, not these

P = ParamSpec("P")
R = TypeVar("R")
S = TypeVar("S")
C = TypeVar("C", covariant=True)


class _Face:
    """Name, documentation and `repr` of a wrapped function."""

    def __init__(self, core: Callable[..., Any]) -> None:
        self.__wrapped__ = core
        self.__name__: str = getattr(core, "__name__", type(core).__name__)
        self.__doc__ = core.__doc__

    def __repr__(self) -> str:
        """As it is written in code: pytest shows this to explain a failed assertion."""
        owner = getattr(self.__wrapped__, "__self__", None)
        if owner is None:
            return str(getattr(self.__wrapped__, "__qualname__", self.__name__))
        return f"{owner!r}.{self.__name__.lstrip('_')}"


class Dual(_Face, Generic[P, R]):
    """An async function, called from anywhere."""

    def __init__(self, core: Callable[P, Coroutine[Any, Any, R]]) -> None:
        super().__init__(core)
        self.core = core

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run it to its end; blocks."""
        return portal().run(self.core(*args, **kwargs))

    async def aio(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """The same, awaited."""
        return await arrival(portal().submit(self.core(*args, **kwargs)))


class DualIterator(_Face, Generic[P, R]):
    """An async generator function, iterated from anywhere.

    A step that is cancelled or interrupted may be made again: see `iterators`.
    """

    def __init__(self, core: Callable[P, AsyncGenerator[R, None]]) -> None:
        super().__init__(core)
        self.core = core

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Generator[R, None, None]:
        """Iterate over it; each step blocks."""
        return BlockingIterator(self.core(*args, **kwargs), repr(self))

    def aio(self, *args: P.args, **kwargs: P.kwargs) -> AsyncGenerator[R, None]:
        """The same, for `async for`."""
        return AwaitedIterator(self.core(*args, **kwargs), repr(self))


class Faces(_Face, Generic[P, R]):
    """Two functions that are called on the caller's side, the one blocking, the other awaited."""

    def __init__(self, blocking: Callable[P, R], aio: Callable[P, Coroutine[Any, Any, R]]) -> None:
        super().__init__(aio)
        self._blocking = blocking
        self._aio = aio

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run it to its end; blocks."""
        return self._blocking(*args, **kwargs)

    async def aio(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """The same, awaited."""
        return await self._aio(*args, **kwargs)


class dual(Generic[S, P, R]):  # noqa: N801 - a decorator
    """Makes a method a `Dual`."""

    def __init__(self, core: Callable[Concatenate[S, P], Coroutine[Any, Any, R]]) -> None:
        self._core = core
        self.__doc__ = core.__doc__

    @overload
    def __get__(self, instance: None, owner: type[Any]) -> Self: ...

    @overload
    def __get__(self, instance: S, owner: type[Any]) -> Dual[P, R]: ...

    def __get__(self, instance: S | None, owner: type[Any]) -> Self | Dual[P, R]:
        return self if instance is None else Dual(MethodType(self._core, instance))


class dual_iterator(Generic[S, P, R]):  # noqa: N801 - a decorator
    """Makes a method a `DualIterator`."""

    def __init__(self, core: Callable[Concatenate[S, P], AsyncGenerator[R, None]]) -> None:
        self._core = core
        self.__doc__ = core.__doc__

    @overload
    def __get__(self, instance: None, owner: type[Any]) -> Self: ...

    @overload
    def __get__(self, instance: S, owner: type[Any]) -> DualIterator[P, R]: ...

    def __get__(self, instance: S | None, owner: type[Any]) -> Self | DualIterator[P, R]:
        return self if instance is None else DualIterator(MethodType(self._core, instance))


class faces(Generic[S, P, R]):  # noqa: N801 - used like a decorator
    """Makes a method with two faces of two methods, whose results pass through no other loop.

    For reads: what `Dual` runs on the portal's loop has taken an item before the caller has it,
    and an interrupt in between would lose the item.

    Args:
        blocking: the method that a plain call is.
        aio: the one that is awaited; its description is that of both.
    """

    def __init__(
        self,
        blocking: Callable[Concatenate[S, P], R],
        aio: Callable[Concatenate[S, P], Coroutine[Any, Any, R]],
    ) -> None:
        self._blocking = blocking
        self._core = aio
        self.__doc__ = aio.__doc__

    @overload
    def __get__(self, instance: None, owner: type[Any]) -> Self: ...

    @overload
    def __get__(self, instance: S, owner: type[Any]) -> Faces[P, R]: ...

    def __get__(self, instance: S | None, owner: type[Any]) -> Self | Faces[P, R]:
        if instance is None:
            return self
        return Faces(MethodType(self._blocking, instance), MethodType(self._core, instance))


class overloaded(Generic[C]):  # noqa: N801 - a decorator
    """Makes a method a `Dual` whose types are given by a protocol, for those with overloads.

    `overloaded[Calls](core)`: `Calls` declares `__call__` and `aio`.
    """

    def __init__(self, core: Callable[..., Coroutine[Any, Any, Any]]) -> None:
        self._core = core
        self.__doc__ = core.__doc__

    def __get__(self, instance: object, owner: type[Any]) -> C:
        return cast("C", self if instance is None else Dual(MethodType(self._core, instance)))
