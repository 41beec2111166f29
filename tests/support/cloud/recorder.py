"""What a client sent to a cloud: each call with its metadata and its messages."""

import re
from dataclasses import dataclass, field
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.unknown_fields import UnknownFieldSet
from grpclib import Status

from .hooks import Hooks
from .streams import copied


@dataclass
class SentCall:
    """A call as a client made it.

    Attributes:
        rpc: its name.
        metadata: by name, with the user agent, and whether there was a time limit.
        requests: its messages.
        status: how it ended; `None` if it has not.
    """

    rpc: str
    metadata: dict[str, str]
    requests: list[Message] = field(default_factory=list)
    status: Status | None = None


class WireRecorder(Hooks):
    """Records all calls.

    Attributes:
        calls: in the order in which they came.
        requests: over HTTP, as `METHOD PATH`.
    """

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[SentCall] = []
        self.requests: list[str] = []
        self._open: dict[int, SentCall] = {}

    def call(self, rpc: str, stream: Any) -> None:
        """A call has come."""
        super().call(rpc, stream)
        metadata = {str(name): str(value) for name, value in stream.metadata.items()}
        metadata["user-agent"] = str(stream.user_agent)
        if stream.deadline is not None:
            metadata["grpc-timeout"] = f"{stream.deadline.time_remaining():.0f} s"
        call = SentCall(rpc, metadata)
        self.calls.append(call)
        self._open[id(stream)] = call

    def request(self, stream: Any, message: Any) -> None:
        """A message of the client has come."""
        self._open[id(stream)].requests.append(copied(message))

    def end(self, rpc: str, stream: Any, status: Status) -> None:
        """A call has ended."""
        super().end(rpc, stream, status)
        self._open.pop(id(stream)).status = status


class Names:
    """Gives names to values that differ from run to run, in the order in which they appear."""

    #: What is replaced: kinds of values, and their form.
    _KINDS = (
        ("jwt", re.compile(r"[\w-]{30,}\.[\w-]{10,}\.[\w-]{30,}")),
        ("uuid", re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")),
        ("time", re.compile(r"1[6-9]\d{8}\.\d+")),
        ("id", re.compile(r"(?<![\w-])(?:ap|en|im|mo|sb|sn|st|ta|vo|ctr)-[0-9A-Za-z]{15,}")),
    )

    def __init__(self) -> None:
        self._given: dict[str, str] = {}
        self._counts: dict[str, int] = {}

    def of(self, text: str) -> str:
        """A text, with names in the place of such values."""
        for kind, form in self._KINDS:
            if kind in ("id", "uuid"):
                text = form.sub(lambda match, kind=kind: self._name(kind, match[0]), text)  # type: ignore[misc]
            else:
                text = form.sub(f"<{kind}>", text)
        return text

    def _name(self, kind: str, value: str) -> str:
        if value not in self._given:
            prefix = kind if kind == "uuid" else value.partition("-")[0]
            self._counts[prefix] = self._counts.get(prefix, 0) + 1
            self._given[value] = f"<{prefix} {self._counts[prefix]}>"
        return self._given[value]


def fields(message: Message, names: Names, path: str = "") -> dict[str, str]:
    """All that a message says: the paths of fields that are set, and their values.

    Fields that our protocol does not have are there by number.
    """
    found: dict[str, str] = {}
    for descriptor, value in message.ListFields():
        name = f"{path}.{descriptor.name}" if path else descriptor.name
        found.update(_of_field(descriptor, value, names, name))
    unknown_fields: Any = UnknownFieldSet(message)  # which its stub does not know to be a sequence
    for unknown in unknown_fields:
        found[f"{path}#{unknown.field_number}"] = names.of(repr(unknown.data))
    return found


def _of_field(descriptor: FieldDescriptor, value: Any, names: Names, name: str) -> dict[str, str]:
    if descriptor.message_type is not None and descriptor.message_type.GetOptions().map_entry:
        return {f"{name}[{key!r}]": names.of(repr(value[key])) for key in sorted(value)}
    if descriptor.is_repeated:
        return {
            path: text
            for number, each in enumerate(value)
            for path, text in _of_value(each, names, f"{name}[{number}]").items()
        }
    return _of_value(value, names, name)


def _of_value(value: Any, names: Names, name: str) -> dict[str, str]:
    if isinstance(value, Message):
        return {name: "{}", **fields(value, names, name)}
    if isinstance(value, float):
        return {name: names.of(str(value))}
    return {name: names.of(repr(value))}
