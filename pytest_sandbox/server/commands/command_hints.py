"""Hints at mistakes in commands that could not be started."""

import errno
from collections.abc import Sequence
from typing import NoReturn

from pytest_sandbox.engine import SpawnFailed

#: Builtin commands of shells that are no programs, and what to use instead; see bash(1).
_BUILTINS = {
    "cd": "to run a command in another directory, use workdir=",
    "export": "to set variables for a command, use env=",
    **dict.fromkeys((".", "source"), "it would only change the shell that it runs in"),
    **dict.fromkeys(("alias", "declare", "eval", "function", "local", "read", "set", "shopt"), ""),
    **dict.fromkeys(("bg", "exec", "exit", "fg", "jobs", "return", "trap", "wait"), ""),
    **dict.fromkeys(("popd", "pushd", "typeset", "ulimit", "umask", "unset"), ""),
    **dict.fromkeys(("[[", "for", "if", "until", "while", "{"), ""),
}


def raise_with_hint(error: SpawnFailed, argv: Sequence[str]) -> NoReturn:
    """Raise the failure to start a command, explained if the command shows the reason."""
    hint = _hint(argv, error.errno)
    if not hint:
        raise error
    raise SpawnFailed(error.errno, f"{error}\n{hint}") from error


def _hint(argv: Sequence[str], number: int | None) -> str:
    program = argv[0] if argv else ""
    if number in (errno.EACCES, errno.ENOEXEC) and program.startswith("/"):
        return (
            f"To be run by its name, {program!r} must be executable (chmod +x) and, if it is a "
            "script, begin with #! and the path of its interpreter"
        )
    if number != errno.ENOENT:
        return ""
    words = program.split()
    if len(argv) == 1 and len(words) > 1:
        return (
            f"Each word is an argument of its own: {', '.join(map(repr, words))}; or "
            f"have a shell split it: 'sh', '-c', {program!r}"
        )
    if program in _BUILTINS:
        instead = _BUILTINS[program]
        line = " ".join(argv)
        text = f"{program!r} is part of a shell, not a program: 'bash', '-c', {line!r}"
        return f"{text}; {instead}" if instead else text
    if program.startswith(("~", "$")):
        return f"No shell expands {program!r}: give the path, or use 'bash', '-c', ..."
    return ""
