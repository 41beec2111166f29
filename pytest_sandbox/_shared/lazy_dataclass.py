"""`dataclass` that makes the methods of a class when they are first needed.

`dataclasses.dataclass` compiles six methods for a frozen class, which takes longer than to import
the rest of its module: half a millisecond up to two. Most processes use few of the classes that
they import. So a class gets its methods with its first instance, or when its fields are asked for.

A type checker sees the decorator of the standard library.
"""

from __future__ import annotations

import dataclasses
from _thread import RLock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from dataclasses import dataclass as dataclass
    from dataclasses import replace as replace
    from typing import Any

_FIELDS = "__dataclass_fields__"
#: What a class has in the place of what `dataclasses` will give it.
_STUBS = ("__init__", "__setstate__", "__signature__", _FIELDS)
#: Threads may make the first instance at once.
_LOCK = RLock()


class _Fields:
    """In the place of the fields of a class, by which `dataclasses` knows and reads it."""

    def __init__(self, kind: type, options: dict[str, Any]) -> None:
        self._kind = kind
        self._options = options

    def __get__(self, instance: object, owner: type) -> Any:
        self.complete()
        return vars(self._kind)[_FIELDS]

    def complete(self) -> None:
        """Make the methods, if that was not done yet."""
        kind, options = self._kind, self._options
        with _LOCK:
            if vars(kind).get(_FIELDS) is not self:
                return
            dataclasses.dataclass(**{**options, "init": False})(kind)
            # Last, and in one step: another thread that makes an instance just now finds either
            # constructor. `dataclasses` replaces none, so a subclass gets it, for the same fields.
            names = {"__module__": kind.__module__, "__qualname__": kind.__qualname__}
            made = type(kind)(kind.__name__, (kind,), {**names, "__doc__": kind.__doc__})
            only = {"repr": False, "eq": False, "match_args": False}
            dataclasses.dataclass(frozen=options.get("frozen", False), **only)(made)
            kind.__init__ = made.__init__  # type: ignore[misc]
            kind.__dataclass_params__.init = True  # type: ignore[attr-defined]
            for name in ("__setstate__", "__signature__"):
                delattr(kind, name)


class _Signature:
    """In the place of the signature of a class, which `inspect` then takes from the constructor."""

    def __init__(self, fields: _Fields) -> None:
        self._fields = fields

    def __get__(self, instance: object, owner: type) -> Any:
        self._fields.complete()
        raise AttributeError


def _lazy(kind: type, options: dict[str, Any]) -> type:
    own = {"__init__", "__setstate__"} & vars(kind).keys()
    if own or not options.get("init", True):
        return dataclasses.dataclass(**options)(kind)
    fields = _Fields(kind, options)

    def initialize(self: Any, *args: Any, **keywords: Any) -> None:
        fields.complete()
        kind.__init__(self, *args, **keywords)  # type: ignore[misc]  # not this one any more

    def set_state(self: Any, state: dict[str, Any]) -> None:
        fields.complete()
        vars(self).update(state)

    for name, stub in zip(_STUBS, (initialize, set_state, _Signature(fields), fields), strict=True):
        setattr(kind, name, stub)
    return kind


if not TYPE_CHECKING:

    def dataclass(kind: type | None = None, /, **options: Any) -> type | Callable[[type], type]:
        """As `dataclasses.dataclass`, without `slots` and `weakref_slot`."""
        if kind is None:
            return lambda decorated: _lazy(decorated, options)
        return _lazy(kind, options)

    def replace(instance: Any, /, **changes: Any) -> Any:
        """As `dataclasses.replace`, which asks for each field, of a class without `__post_init__`.

        What such an instance has besides its fields, as a cached property, is copied too.
        """
        changed = object.__new__(type(instance))
        vars(changed).update(vars(instance), **changes)
        return changed
