"""Commands and exit codes as text for people: in reports, errors and reprs."""

from __future__ import annotations

import re
import shlex
import signal
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

#: How many characters of a command a repr shows.
_WIDTH = 80
#: Words that the shell takes unchanged between double quotes; "!" is for the history of bash.
_PLAIN_IN_DOUBLE_QUOTES = re.compile(r'[^"$`\\!]*')
#: 128 plus the number of a signal is how a shell tells that it ended a command. 129 is left out:
#: to git and others it means wrong usage, and a hang-up is rare.
_SIGNALS = {128 + each: each.name for each in signal.Signals if each is not signal.SIGHUP}


def command_text(argv: Iterable[str]) -> str:
    """A command as a shell takes it, quoted so that people can read it."""
    return " ".join(map(_quoted, argv))


@lru_cache(maxsize=128)  # of 64 KiB at most
def short_command_text(argv: tuple[str, ...]) -> str:
    """A command in one printable line of limited length, for a repr."""
    text = printable(command_text(argv))
    return text if len(text) <= _WIDTH else f"{text[:_WIDTH]}…"


def exit_code_text(code: int) -> str:
    """`exit code 137 (SIGKILL)`."""
    name = _SIGNALS.get(code)
    return f"exit code {code} ({name})" if name else f"exit code {code}"


def printable(text: str) -> str:
    """The text with all control characters escaped: they could move the cursor or hide text."""
    expanded = text.replace("\t", "    ")
    if expanded.isprintable():
        return expanded
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode() for each in expanded
    )


def _quoted(word: str) -> str:
    # `shlex.quote` writes each single quote as '"'"'.
    if "'" in word and _PLAIN_IN_DOUBLE_QUOTES.fullmatch(word):
        return f'"{word}"'
    return shlex.quote(word)
