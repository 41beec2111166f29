"""Names, commands, environments and working directories: what is wrong with them, as text.

Every function returns a sentence for the user, which shows the value, or `None` if nothing is
wrong. The caller raises the error of its own part.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

#: Bytes of a command and its arguments together, as Modal's clients check.
MAX_ARGUMENT_BYTES = 2**16

_SHOWN = 80
_NAME = re.compile(r"[a-zA-Z0-9._-]{1,64}")
_APP_ID = re.compile(r"ap-[a-zA-Z0-9]{22}")


def name_problem(name: object, kind: str) -> str | None:
    """A name of an app, a sandbox, a volume, ...; `kind` is what it names."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        return (
            f"{name!r} is not a valid {kind} name: use 1 to 64 letters, digits, dashes, dots and "
            "underscores"
        )
    if _APP_ID.fullmatch(name):
        return f"{name!r} is not a valid {kind} name: it looks like the id of an app"
    return None


def arguments_problem(argv: Sequence[object]) -> str | None:
    """Arguments of a command: text that execve(2) can pass on."""
    for number, argument in enumerate(argv):
        if not isinstance(argument, str):
            kind = type(argument).__name__
            return f"argument {number} is {argument!r}, which is a {kind}, not a str"
        if "\0" in argument:
            return f"argument {number} contains a NUL character: {argument[:_SHOWN]!r}"
    return None


def command_size_problem(argv: Sequence[str]) -> str | None:
    """The size of a command with its arguments."""
    size = sum(len(argument.encode(errors="replace")) for argument in argv)
    if size <= MAX_ARGUMENT_BYTES:
        return None
    return (
        f"the command {argv[0][:_SHOWN]!r} and its arguments take {size} bytes, more than the "
        f"{MAX_ARGUMENT_BYTES} allowed: pass large data through standard input or a file"
    )


def workdir_problem(workdir: object) -> str | None:
    """A working directory; `None` stands for the default one."""
    if workdir is None or is_absolute(workdir):
        return None
    return f"workdir must be an absolute path, not {workdir!r}"


def is_absolute(path: object) -> bool:
    """Whether it is an absolute path."""
    return isinstance(path, str) and path.startswith("/") and "\0" not in path


def environment_problem(variables: Iterable[tuple[object, object]]) -> str | None:
    """Environment variables: names and values that execve(2) can pass on."""
    for name, value in variables:
        if not isinstance(name, str) or not name or "=" in name or "\0" in name:
            return f"{name!r} cannot be the name of an environment variable"
        if not isinstance(value, str):
            kind = type(value).__name__
            return f"the environment variable {name!r} is {value!r}, which is a {kind}, not a str"
        if "\0" in value:
            return f"the value of the environment variable {name!r} contains a NUL character"
    return None
