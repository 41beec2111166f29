"""What a registry asks for with 401: the header `WWW-Authenticate`, RFC 9110 section 11.6.1."""

from __future__ import annotations

import re
from dataclasses import field
from typing import TYPE_CHECKING

from pytest_sandbox._shared.lazy_dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_WORD = r"[A-Za-z0-9!#$%&'*+.^_`|~-]+"
_PARAMETER = re.compile(rf'({_WORD})\s*=\s*(?:"((?:[^"\\]|\\.)*)"|({_WORD}))')
_SCHEME = re.compile(rf"({_WORD})(?:\s+|$)")
_LONGEST = 8 * 1024


@dataclass(frozen=True)
class Challenge:
    """One way to authenticate.

    Attributes:
        scheme: in lower case, `bearer`.
        parameters: by their names in lower case.
    """

    scheme: str
    parameters: Mapping[str, str] = field(default_factory=dict)


def parse(headers: Iterable[str]) -> list[Challenge]:
    """The challenges in some headers; what cannot be read is left out."""
    found = []
    for text in headers:
        rest = text[:_LONGEST].strip()
        while match := _SCHEME.match(rest):
            rest = rest[match.end() :]
            parameters: dict[str, str] = {}
            while pair := _PARAMETER.match(rest):
                name, quoted, plain = pair.groups()
                value = plain if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
                parameters.setdefault(name.lower(), value)
                rest = rest[pair.end() :].lstrip(" \t,")
            found.append(Challenge(match[1].lower(), parameters))
    return found
