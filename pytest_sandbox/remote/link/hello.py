"""What both ends of a new connection say first: who they are, and which session it carries.

The near side speaks first. Each message is its length in four bytes, and JSON.
"""

from __future__ import annotations

import importlib.metadata
import json
import math
from dataclasses import asdict, dataclass, fields
from typing import Any, TypeVar

_LENGTH = 4
_MOST = 4096

M = TypeVar("M", "Hello", "Welcome", "LinkRefusal")


class DamagedHello(Exception):
    """What a peer said first is nothing that an engine, or its user, says."""


@dataclass(frozen=True)
class Hello:
    """What the near side says.

    Attributes:
        token: which the far side wants.
        version: of this package.
        protocol: changes when the messages between near and far side do, as versions of which one
            is under development can have the same number.
        session: to go on with; empty for a new one.
        received: how many bytes of it have come.
        lease: seconds for which the far side is to keep the session without a connection.
    """

    token: str
    version: str
    protocol: str
    session: str = ""
    received: int = 0
    lease: float = 30.0


@dataclass(frozen=True)
class Welcome:
    """What the far side says to one that it serves.

    Attributes:
        session: names the session, and is known to nobody else.
        received: how many bytes of it have come.
        machine: what it is, for people: `"64 processors, 2 x H100"`.
    """

    session: str
    received: int
    machine: str = ""


@dataclass(frozen=True)
class LinkRefusal:
    """What the far side says to one that it does not serve.

    Attributes:
        refused: why: `"hello"`, `"token"`, `"version"`, `"session"`, or `"busy"`.
        detail: a sentence with what the near side cannot know.
    """

    refused: str
    detail: str


def own_version() -> str:
    """The version of this package."""
    return importlib.metadata.version("pytest-sandbox")


def versions(protocol: str) -> str:
    """The version of this package, and what tells it from others of that number."""
    return f"{own_version()} (protocol {protocol})"


def encode(message: Hello | Welcome | LinkRefusal) -> bytes:
    """A message as bytes."""
    text = json.dumps(asdict(message)).encode()
    return len(text).to_bytes(_LENGTH, "big") + text


def split(data: bytes) -> tuple[bytes, bytes] | None:
    """The first message, and what follows it; `None` if it has not come yet.

    Raises:
        DamagedHello: it is too long to be one.
    """
    if len(data) < _LENGTH:
        return None
    size = int.from_bytes(data[:_LENGTH], "big")
    if size > _MOST:
        raise DamagedHello(f"{data[:40]!r}")
    end = _LENGTH + size
    return (data[_LENGTH:end], data[end:]) if len(data) >= end else None


def decode_hello(text: bytes) -> Hello:
    """What the near side said.

    Raises:
        DamagedHello: it is nothing that it says.
    """
    return _decode(Hello, _object(text))


def decode_answer(text: bytes) -> Welcome | LinkRefusal:
    """What the far side said.

    Raises:
        DamagedHello: it is nothing that it says.
    """
    values = _object(text)
    return _decode(LinkRefusal, values) if "refused" in values else _decode(Welcome, values)


def _object(text: bytes) -> dict[str, Any]:
    try:
        values = json.loads(text)
    except (ValueError, RecursionError):
        raise DamagedHello(f"{text[:40]!r}") from None
    if not isinstance(values, dict):
        raise DamagedHello(f"{text[:40]!r}")
    return values


def _decode(kind: type[M], values: dict[str, Any]) -> M:
    types: dict[str, tuple[type, ...]] = {"str": (str,), "int": (int,), "float": (int, float)}
    known = {field.name: types[str(field.type)] for field in fields(kind)}
    if values.keys() != known.keys() or not all(
        isinstance(values[name], kinds) and _is_sane(values[name]) for name, kinds in known.items()
    ):
        raise DamagedHello(f"a {kind.__name__} with {', '.join(map(repr, list(values)[:10]))}")
    return kind(**values)


def _is_sane(value: Any) -> bool:
    """Whether it is no value that JSON has and that nothing here can work with."""
    if isinstance(value, str):  # half of a surrogate pair is no text
        return not any("\ud800" <= letter <= "\udfff" for letter in value)
    return not isinstance(value, bool) and not (
        isinstance(value, float) and not math.isfinite(value)
    )


def printable(text: str) -> str:
    """A text of the other side, fit for a terminal and not long."""
    return "".join(letter for letter in text[:200] if letter.isprintable())
