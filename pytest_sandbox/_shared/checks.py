"""What commands, environments, paths and names can be: rules that several parts check.

Each part raises an error of its own kind, and words it for its own callers.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

from .type_names import type_name

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TypeGuard

#: Bytes of a command and its arguments together, as Modal's clients check.
MAX_ARGUMENT_BYTES = 2**16

_NAME = re.compile(r"[a-zA-Z0-9._-]{1,64}")
_APP_ID = re.compile(r"ap-[a-zA-Z0-9]{22}")


def is_text(value: object) -> TypeGuard[str]:
    """Whether a value is text that execve(2) can pass on: C strings end at a NUL."""
    return isinstance(value, str) and "\0" not in value


def is_variable_name(name: object) -> TypeGuard[str]:
    """Whether an environment variable can have this name; environ(7) ends a name at "="."""
    return is_text(name) and name != "" and "=" not in name


def is_absolute_path(path: object) -> TypeGuard[str]:
    """Whether a value is an absolute path."""
    return is_text(path) and path.startswith("/")


def is_root(path: str) -> bool:
    """Whether an absolute path is the root, in whichever way it is written."""
    return posixpath.normpath(path).strip("/") == ""


def argument_bytes(argv: Sequence[str]) -> int:
    """The size of a command and its arguments, for a comparison with `MAX_ARGUMENT_BYTES`."""
    return len("".join(argv).encode(errors="surrogateescape"))


def is_object_name(name: object) -> TypeGuard[str]:
    """Whether an app, a sandbox, a volume, ... can have this name, as Modal checks."""
    return isinstance(name, str) and _NAME.fullmatch(name) is not None


def is_app_id(name: str) -> bool:
    """Whether a name looks like the id of an app; Modal refuses such names."""
    return _APP_ID.fullmatch(name) is not None


def problem_with_list(name: str, value: object, of: str) -> str:
    """Why a value is no list, and what may be meant; empty if it is one.

    A text is a collection of its letters to Python, and never meant as one.

    Args:
        name: of the argument.
        value: what was given.
        of: what it must be a list of.
    """
    if isinstance(value, Collection) and not isinstance(value, str | bytes | bytearray | Mapping):
        return ""
    meant = f"; did you mean {[value]!r}?" if value and isinstance(value, str | int) else ""
    return f"{name}={value!r} is {type_name(value)}, not a list of {of}{meant}"
