"""Which names of images mean something else: the view of this machine, or another image.

Two aliases need no setting: Debian and Python images on Debian are the view of this machine, and
what builds in that copy from the image of uv is the uv of this machine. Everything else, Alpine
above all, is what its name says or is refused.
"""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from pytest_sandbox.images import InvalidReference, parse_reference

if TYPE_CHECKING:
    from collections.abc import Mapping

HOST = "host"
#: What `meant` gives for the image of uv.
UV = "uv"
_DEBIAN = re.compile(
    r"(?:docker\.io/)?(?:library/)?(?:debian|python)(?::(?!.*(?:alpine|windows))[\w.-]+)?"
)
#: Where Modal's `Image.uv_pip_install`, and many Dockerfiles, take uv from.
_UV = re.compile(r"ghcr\.io/astral-sh/uv(?:[:@]\S+)?")


class Aliases:
    """A table of aliases.

    Args:
        table: what is meant, by names or patterns (`python:3.*`); the first one that fits counts.
    """

    def __init__(self, table: Mapping[str, str]) -> None:
        self._table = dict(table)

    @classmethod
    def parse(cls, text: str) -> Aliases:
        """Read a table: `name=meant`, commas between them.

        Raises:
            ValueError: with what is wrong.
        """
        table = {}
        for line in filter(None, map(str.strip, text.split(","))):
            name, equals, meant = (part.strip() for part in line.partition("="))
            if not equals or not name or not meant:
                raise ValueError(f"expected NAME = IMAGE, not {line!r}")
            if meant != HOST:
                try:
                    parse_reference(meant)
                except InvalidReference as error:
                    raise ValueError(f"{line!r}: {error}") from None
            table[name] = meant
        return cls(table)

    def meant(self, name: str) -> str:
        """What a name means: `HOST`, `UV`, or the name of an image, which is no alias any more."""
        for pattern, meant in self._table.items():
            if fnmatchcase(name, pattern):
                return meant
        if _UV.fullmatch(name):
            return UV
        return HOST if _DEBIAN.fullmatch(name) else name
