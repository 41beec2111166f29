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
        with _LOCK:
            if vars(self._kind).get(_FIELDS) is self:
                for name in _STUBS:
                    delattr(self._kind, name)
                dataclasses.dataclass(**self._options)(self._kind)


class _Signature:
    """In the place of the signature of a class, which `inspect` then takes from the constructor."""

    def __init__(self, fields: _Fields) -> None:
        self._fields = fields

    def __get__(self, instance: object, owner: type) -> Any:
        self._fields.complete()
        raise AttributeError


def _lazy(kind: type, options: dict[str, Any]) -> type:
    if "__init__" in vars(kind) or "__setstate__" in vars(kind):
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
