"""What a message is: named fields with types, checked when it arrives.

A message class lists its fields as annotations, like a dataclass. They are read once, when the
class is made, and become a table of checks; to check a message is to walk that table. The standard
library's dataclasses would do no checks, and importing them costs the zygote more than all of this.

The types a field can have are those of JSON: `int`, `float`, `str`, `bool`, `Literal["a", "b"]`,
`list[T]`, `dict[str, T]`, `T | None`, and other messages. `Unbounded` is an `int` of any size.
"""

from __future__ import annotations

import errno
import math
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, ClassVar, TypeAlias, TypeVar

    from typing_extensions import dataclass_transform

    M = TypeVar("M", bound="Message")
    #: The types that a value may have, and what makes the field of it if there is more to do.
    Check: TypeAlias = tuple[tuple[type, ...], Callable[[Any], Any] | None]
    Unbounded: TypeAlias = int
else:

    def dataclass_transform(**_):
        """Tells type checkers of `Message`; does nothing at run time."""
        return lambda decorated: decorated


#: Characters of a value that an error shows.
_SHOWN = 60
#: An `int` is one that every system call can be given.
_SMALLEST, _LARGEST = -(1 << 63), (1 << 64) - 1
_NONE = type(None)


class BadMessage(Exception):
    """The peer does not keep to the protocol.

    Args:
        reason: names the message and the key, and shows the value.
        number: of the request, if that much could be read.
    """

    def __init__(self, reason: str, number: int = 0) -> None:
        super().__init__(reason)
        self.number = number


class DescriptorsLost(OSError):
    """A message came without its descriptors: we have as many open as we may have.

    Args:
        kind: name of the message's class.
        number: of the request.
    """

    def __init__(self, kind: str, number: int) -> None:
        super().__init__(errno.EMFILE, os.strerror(errno.EMFILE), "")
        self.kind = kind
        self.number = number


@dataclass_transform(kw_only_default=True, frozen_default=True)
class Message:
    """A message, or a part of one; its fields are the annotations of its class.

    Attributes:
        descriptors: the fewest and the most descriptors that travel beside it.
    """

    descriptors: ClassVar[tuple[int, int]] = (0, 0)
    _checks: ClassVar[dict[str, Check]] = {}

    def __init_subclass__(cls, descriptors: int | tuple[int, int] = 0) -> None:
        fixed = isinstance(descriptors, int)
        cls.descriptors = (descriptors, descriptors) if fixed else descriptors  # type: ignore[assignment]
        cls._checks = {name: _check(text) for name, text in cls.__annotations__.items()}
        _PARTS[cls.__name__] = cls

    if not TYPE_CHECKING:  # type checkers know one for each class, which has its fields

        def __init__(self, **fields):
            self.__dict__ = fields

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self.__dict__ == other.__dict__

    __hash__ = None  # type: ignore[assignment]  # it may hold lists

    def __repr__(self) -> str:
        fields = ", ".join(f"{name}={value!r}" for name, value in self.__dict__.items())
        return f"{type(self).__name__}({fields})"

    @classmethod
    def checked(cls: type[M], fields: dict[str, Any]) -> M:
        """A message of fields that came from elsewhere; they are the message's from now on.

        Raises:
            BadMessage: a field is missing, or of another type, or there is no such field.
        """
        checks = cls._checks
        if fields.keys() != checks.keys():
            raise BadMessage(f"{cls.__name__}: {_difference(fields, checks)}")
        for name, (types, convert) in checks.items():
            value = fields[name]
            if type(value) not in types:
                expected = " or ".join(one.__name__ for one in types)
                raise BadMessage(f"{cls.__name__}: key {name!r} is {_short(value)}, not {expected}")
            if convert is not None:
                try:
                    fields[name] = convert(value)
                except BadMessage as error:
                    raise BadMessage(f"{cls.__name__}: key {name!r}: {error}") from None
        message = cls.__new__(cls)
        message.__dict__ = fields
        return message


_PARTS: dict[str, type[Message]] = {}


def _difference(fields: dict[str, Any], checks: dict[str, Check]) -> str:
    for name in checks:
        if name not in fields:
            return f"key {name!r} is missing"
    name = next(name for name in fields if name not in checks)
    return f"there is no key {_short(name)}, which is {_short(fields[name])}"


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "..."


def _check(annotation: str) -> Check:
    """The check for a type, as it is written in an annotation."""
    if annotation.endswith(" | None"):
        types, convert = _check(annotation.removesuffix(" | None"))
        return (*types, _NONE), convert and (lambda value: value and convert(value))
    if annotation in _PLAIN:
        return _PLAIN[annotation]
    if annotation in _PARTS:
        return (dict,), _PARTS[annotation].checked
    head, _, inner = annotation.removesuffix("]").partition("[")
    if head == "Literal":
        return (str,), _one_of([word.strip(" '\"") for word in inner.split(",")])
    if head == "list":
        return (list,), _each(_check(inner))
    if head == "dict":
        return (dict,), _each_value(_check(inner.removeprefix("str, ")))
    raise TypeError(f"no message can have a field of type {annotation}")


def _bounded(value: int) -> int:
    if _SMALLEST <= value <= _LARGEST:
        return value
    raise BadMessage(f"{_short(value)} is too large")


def _finite(value: float) -> float:
    if math.isfinite(value):
        return value
    raise BadMessage(f"{value} is not a number")


_PLAIN: dict[str, Check] = {
    "str": ((str,), None),
    "bool": ((bool,), None),
    "int": ((int,), _bounded),
    "Unbounded": ((int,), None),
    "float": ((float, int), _finite),
}


def _one_of(words: list[str]) -> Callable[[str], str]:
    def convert(value: str) -> str:
        if value in words:
            return value
        raise BadMessage(f"{_short(value)} is none of {', '.join(words)}")

    return convert


def _each(check: Check) -> Callable[[list[Any]], list[Any]]:
    types, convert = check
    allowed = frozenset(types)

    def convert_all(values: list[Any]) -> list[Any]:
        if not allowed.issuperset(map(type, values)):
            place, value = next(one for one in enumerate(values) if type(one[1]) not in allowed)
            raise BadMessage(f"item {place} is {_short(value)}, not {types[0].__name__}")
        if convert is None:
            return values
        return [convert(value) for value in values]

    return convert_all


def _each_value(check: Check) -> Callable[[dict[str, Any]], dict[str, Any]]:
    _, convert = check
    convert_all = _each(check)

    def convert_values(values: dict[str, Any]) -> dict[str, Any]:
        converted = convert_all([*values.values()])
        return values if convert is None else dict(zip(values, converted, strict=True))

    return convert_values
