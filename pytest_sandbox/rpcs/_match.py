"""Compares messages with expected values, and finds differences.

Expected is a dict with some of the fields of a message; other fields can have any value. A value
is compared by `==`, so `unittest.mock.ANY` equals everything, with these exceptions:

    a dict          for a message: some of its fields; for a map: some of its entries; for a
                    list: entries by index, `{0: ...}`
    a list, tuple   for a list: all its entries, each as a value of its own
    a str           for an enum: the name of its value; for bytes: their text in UTF-8
    None            the field is not set
    a function      it is given the actual value and says whether that is right
"""

from collections.abc import Iterator, Mapping
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from pytest_sandbox._shared.lazy_dataclass import dataclass

from ._names import nearest

Expected = Mapping[Any, Any]

_SCALARS: dict[int, tuple[type, ...]] = {
    FieldDescriptor.CPPTYPE_BOOL: (bool,),
    FieldDescriptor.CPPTYPE_STRING: (str, bytes),
    FieldDescriptor.CPPTYPE_FLOAT: (int, float),
    FieldDescriptor.CPPTYPE_DOUBLE: (int, float),
    FieldDescriptor.CPPTYPE_INT32: (int,),
    FieldDescriptor.CPPTYPE_INT64: (int,),
    FieldDescriptor.CPPTYPE_UINT32: (int,),
    FieldDescriptor.CPPTYPE_UINT64: (int,),
    FieldDescriptor.CPPTYPE_ENUM: (int, str),
}


@dataclass(frozen=True)
class Difference:
    """A place in a message with another value than expected."""

    path: str
    expected: Any
    actual: Any

    def __str__(self) -> str:
        return f"{self.path}: expected {_shown(self.expected)}, was {_shown(self.actual)}"


def nested(keywords: Mapping[str, Any]) -> dict[Any, Any]:
    """`a__b=1` as `{"a": {"b": 1}}`; numbers between the underscores are indices."""
    tree: dict[Any, Any] = {}
    for keyword, value in keywords.items():
        *outer, last = [int(part) if part.isdigit() else part for part in keyword.split("__")]
        node = tree
        for depth, part in enumerate(outer, 1):
            node = node.setdefault(part, {})
            if not isinstance(node, dict):
                whole = "__".join(str(part) for part in outer[:depth])
                raise ValueError(f"{keyword!r} and {whole!r} cannot both be given")
        if last in node:
            raise ValueError(f"{keyword!r} and a part of it cannot both be given")
        node[last] = value
    return tree


def check(descriptor: Any, expected: Expected, path: str = "") -> None:
    """Check that a message of this type can have the expected values.

    Raises:
        ValueError: a field does not exist, or can never have its value.
    """
    for name, wanted in expected.items():
        field = descriptor.fields_by_name.get(name)
        if field is None:
            raise ValueError(
                f"{descriptor.name} has no field {name!r}"
                f"{nearest(str(name), descriptor.fields_by_name)}"
            )
        _check_value(field, wanted, f"{path}{name}")


def _check_value(field: Any, wanted: Any, path: str) -> None:
    if isinstance(wanted, list | tuple):
        for index, each in enumerate(wanted):
            _check_value(field, each, f"{path}.{index}")
    elif isinstance(wanted, Mapping):
        inner = field.message_type
        if inner is not None and inner.GetOptions().map_entry:
            return
        if wanted and all(isinstance(key, int) for key in wanted):
            for index, each in wanted.items():
                _check_value(field, each, f"{path}.{index}")
        elif inner is None:
            raise ValueError(f"{path} is no message, it has no {', '.join(map(repr, wanted))}")
        else:
            check(inner, wanted, f"{path}.")
    else:
        _check_scalar(field, wanted, path)


def _check_scalar(field: Any, wanted: Any, path: str) -> None:
    if not isinstance(wanted, str | bytes | int | float):
        return
    if not isinstance(wanted, _SCALARS.get(field.cpp_type, ())):
        raise ValueError(f"{path} can never be {wanted!r}")
    if isinstance(wanted, str) and field.enum_type is not None:
        names = field.enum_type.values_by_name
        if wanted not in names:
            raise ValueError(
                f"{path}: {field.enum_type.name} has no {wanted!r}{nearest(wanted, names)}"
            )


def differences(message: Message, expected: Expected, path: str = "") -> Iterator[Difference]:
    """Where a message differs from the expected values, which `check` has accepted."""
    for name, wanted in expected.items():
        field = message.DESCRIPTOR.fields_by_name[name]
        value = getattr(message, name)
        absent = field.has_presence and not message.HasField(name)
        # The fields of a message that is not set have their defaults.
        if absent and not isinstance(wanted, Mapping):
            value = None
        yield from _differ(field, value, wanted, f"{path}{name}")


def _differ(field: Any, value: Any, wanted: Any, path: str) -> Iterator[Difference]:
    if isinstance(wanted, Mapping) and isinstance(value, Message):
        yield from differences(value, wanted, f"{path}.")
    elif isinstance(wanted, Mapping) and isinstance(value, Mapping):
        for key, each in wanted.items():
            yield from _differ(field, value.get(key), each, f"{path}[{key!r}]")
    elif isinstance(wanted, Mapping):
        for index, each in wanted.items():
            inside = -len(value) <= index < len(value)
            yield from _differ(field, value[index] if inside else None, each, f"{path}[{index}]")
    elif isinstance(wanted, list | tuple) and value is not None:
        yield from _differ_list(field, list(value), wanted, path)
    else:
        value = _readable(field, value, wanted)
        fits = wanted(value) if callable(wanted) else bool(wanted == value)
        if not fits:
            yield Difference(path, wanted, value)


def _differ_list(
    field: Any, values: list[Any], wanted: "list[Any] | tuple[Any, ...]", path: str
) -> Iterator[Difference]:
    if len(values) != len(wanted):
        yield Difference(path, list(wanted), values)
        return
    for index, (value, each) in enumerate(zip(values, wanted, strict=True)):
        yield from _differ(field, value, each, f"{path}[{index}]")


def _readable(field: Any, value: Any, wanted: Any) -> Any:
    """The actual value in the form of the expected one: the name of an enum, bytes as text."""
    if isinstance(wanted, str) and field.enum_type is not None and isinstance(value, int):
        known = field.enum_type.values_by_number.get(value)
        return known.name if known is not None else value
    if isinstance(wanted, str) and isinstance(value, bytes):
        return value.decode(errors="replace")
    return value


def _shown(value: Any) -> str:
    text = str(value).strip() if isinstance(value, Message) else repr(value)
    return text if len(text) <= 200 else f"{text[:200]}…"
