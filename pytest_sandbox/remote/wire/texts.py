"""Text that may hold any bytes: paths, arguments, environment variables, messages.

Python has what is no UTF-8 in them as lone surrogates, by `surrogateescape`, which no `string` of a
message can have. So they are `bytes`.
"""

from collections.abc import Iterable, Mapping

from google.protobuf.internal.containers import RepeatedCompositeFieldContainer

from pytest_sandbox._proto import engine_pb2 as pb

#: Bytes of a message for people; what is longer loses its middle.
LONGEST_MESSAGE = 16 * 1024


def text_to_wire(text: str) -> bytes:
    """The bytes that a text stands for.

    Raises:
        ValueError: it holds a surrogate that stands for no byte.
    """
    return text.encode("utf-8", "surrogateescape")


def text_from_wire(data: bytes) -> str:
    """The text that bytes are; any bytes are one."""
    return data.decode("utf-8", "surrogateescape")


def message_to_wire(text: str) -> bytes:
    """A message for people; it always has bytes, and not too many."""
    data = text.encode("utf-8", "backslashreplace")
    if len(data) <= LONGEST_MESSAGE:
        return data
    half = LONGEST_MESSAGE // 2
    return data[:half] + b" [... left out ...] " + data[-half:]


def message_from_wire(data: bytes) -> str:
    """A message for people."""
    return data[: 2 * LONGEST_MESSAGE].decode("utf-8", "replace")


def add_variables(
    to: RepeatedCompositeFieldContainer[pb.Variable], variables: Mapping[str, str]
) -> None:
    """Add names and values to a message."""
    for name, value in variables.items():
        to.add(name=text_to_wire(name), value=text_to_wire(value))


def variables_from_wire(variables: Iterable[pb.Variable]) -> dict[str, str]:
    """Names and values; of two with one name, the last."""
    return {text_from_wire(each.name): text_from_wire(each.value) for each in variables}
