"""Object ids and names in the shapes that Modal's clients check.

Newer clients choose by the id of a sandbox which version of the sandbox API they speak: `sb-` and
exactly 22 letters and digits is the first one, anything else the second.
"""

import os
import random
import re
import string
from binascii import b2a_base64
from enum import Enum
from typing import TYPE_CHECKING

from pytest_sandbox._shared.checks import is_app_id, is_object_name
from pytest_sandbox._shared.lazy_dataclass import dataclass

from ..rpc.errors import invalid

if TYPE_CHECKING:
    from collections.abc import Callable

#: Letters and digits of an id, and random bytes from which Base64 makes them.
_LENGTH, _BYTES = 22, 17
#: What stands for the two signs of Base64.
_NO_SIGNS = bytes.maketrans(b"+/", b"Xx")
#: Of ids of the second version: https://github.com/ulid/spec, with a time that is always the same.
_ULID_ALPHABET = string.digits + "ABCDEFGHJKMNPQRSTVWXYZ"
_ULID_RANDOM = 24
_TAG = re.compile(r"[a-zA-Z0-9._-]{1,63}")


class Family(Enum):
    """The version of Modal's sandbox API that a sandbox was created by."""

    FIRST = 1
    SECOND = 2


@dataclass(frozen=True)
class SandboxIdentity:
    """Ids and name of a sandbox, and what it belongs to; fixed at its creation."""

    id: str
    task_id: str
    app_id: str
    name: str
    created_at: float
    family: Family = Family.FIRST

    @property
    def container_id(self) -> str:
        """By which its identity token names it: its task, or the sidecar."""
        return self.id if self.id.startswith("ctr-") else self.task_id


class Ids:
    """Makes ids.

    Args:
        seed: makes them the same in every run, and easy to guess; only for engines in memory.
    """

    def __init__(self, seed: str | None = None) -> None:
        self._random: Callable[[int], bytes] = os.urandom
        if seed is not None:
            bits = random.Random(seed).getrandbits
            self._random = lambda size: bits(8 * size).to_bytes(size, "big")

    def new(self, prefix: str) -> str:
        """A new id such as `sb-4f0…`: the prefix, a dash and 22 random letters and digits."""
        digits = b2a_base64(self._random(_BYTES))[:_LENGTH]
        return f"{prefix}-{digits.translate(_NO_SIGNS).decode()}"

    def sandbox(self, family: Family) -> str:
        """A new id of a sandbox."""
        return self.new("sb") if family is Family.FIRST else f"sb-{self._ulid()}"

    def task(self, family: Family) -> str:
        """A new id of a task; clients know those of the second version by their last letter."""
        return self.new("ta") if family is Family.FIRST else f"ta-{self._ulid()}V"

    def _ulid(self) -> str:
        number = int.from_bytes(self._random(5 * _ULID_RANDOM // 8), "big")
        letters = (_ULID_ALPHABET[number >> 5 * place & 31] for place in range(_ULID_RANDOM))
        return f"01{''.join(letters)}"


def check_name(name: str, kind: str) -> None:
    """Refuse a name that Modal refuses.

    Raises:
        GRPCError: INVALID_ARGUMENT.
    """
    if not is_object_name(name) or is_app_id(name):
        raise invalid(
            f"invalid {kind} name {name!r}: use 1 to 64 letters, digits, dashes, dots and "
            "underscores, and not the shape of an app id"
        )


def check_tag(name: str, value: str) -> None:
    """Refuse a tag that Modal refuses.

    Raises:
        GRPCError: INVALID_ARGUMENT.
    """
    for text in (name, value):
        if not _TAG.fullmatch(text):
            raise invalid(
                f"invalid tag {name!r}={value!r}: use 1 to 63 letters, digits, dashes, dots and "
                "underscores on both sides"
            )
