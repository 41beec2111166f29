"""Object ids and names in the shapes that Modal's clients check.

Newer clients choose their protocol by the id of a sandbox: `sb-` and exactly 22 letters and
digits is the first version of the sandbox API, the one served here.
"""

import random
import re
import secrets
import string
from typing import TYPE_CHECKING

from pytest_sandbox._shared.checks import is_app_id, is_object_name

from ..rpc.errors import invalid

if TYPE_CHECKING:
    from collections.abc import Callable

_ALPHABET = string.digits + string.ascii_letters
_LENGTH = 22
_TAG = re.compile(r"[a-zA-Z0-9._-]{1,63}")


class Ids:
    """Makes ids.

    Args:
        seed: makes them the same in every run, and easy to guess; only for engines in memory.
    """

    def __init__(self, seed: str | None = None) -> None:
        self._bits: Callable[[int], int] = (
            secrets.randbits if seed is None else random.Random(seed).getrandbits
        )

    def new(self, prefix: str) -> str:
        """A new id such as `sb-4f0…`: the prefix, a dash and 22 random letters and digits."""
        number = self._bits(128)
        digits = []
        for _ in range(_LENGTH):
            number, digit = divmod(number, 62)
            digits.append(_ALPHABET[digit])
        return f"{prefix}-{''.join(digits)}"


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
