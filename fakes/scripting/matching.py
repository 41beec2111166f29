"""Which commands a script of a test is for."""

import difflib
import re
import shlex
from collections.abc import Callable, Sequence
from types import EllipsisType
from typing import Union


class Anything:
    """Matches anything."""

    def __repr__(self) -> str:
        return "ANY"


#: Matches any one word, and any port.
ANY = Anything()

#: One word of a command: exactly this text, any word, a pattern for all of it, or a condition.
Matcher = Union[str, Anything, "re.Pattern[str]", Callable[[str], bool]]


class Pattern:
    """A command line to look for.

    Args:
        words: one matcher for each word; `...` at the end stands for any further words.

    Raises:
        TypeError: something among the words is no matcher.
        ValueError: it could never match.
    """

    def __init__(self, words: Sequence[Matcher | EllipsisType]) -> None:
        self._open = bool(words) and words[-1] is ...
        self._words: list[Matcher] = []
        for word in words[:-1] if self._open else words:
            if word is ...:
                raise ValueError(f"'...' can only be the last word, not one of {list(words)!r}")
            if not isinstance(word, (str, Anything, re.Pattern)) and not callable(word):
                raise TypeError(
                    f"{word!r} matches no word: give text, ANY, a compiled pattern or a function"
                )
            if isinstance(word, str) and "\0" in word:
                raise ValueError(f"the word {word!r} can never match: it holds a NUL")
            self._words.append(word)
        if not words or (self._words and self._words[0] == ""):
            raise ValueError(f"{list(words)!r} can never match: a command has a name")

    def matches(self, argv: Sequence[str]) -> bool:
        """Whether a command line is one of those meant."""
        if len(argv) != len(self._words) and not (self._open and len(argv) > len(self._words)):
            return False
        return all(_matches(want, word) for want, word in zip(self._words, argv))  # noqa: B905

    def likeness(self, argv: Sequence[str]) -> float:
        """How near a command line comes, from 0 to 1."""
        wanted = [
            word if _matches(want, word) else _shown(want)
            for want, word in zip(self._words, [*argv, *[""] * len(self._words)])  # noqa: B905
        ]
        words = difflib.SequenceMatcher(None, wanted, list(argv)).ratio()
        letters = difflib.SequenceMatcher(None, " ".join(wanted), " ".join(argv)).ratio()
        return (words + letters) / 2

    def difference(self, argv: Sequence[str]) -> list[str]:
        """What keeps a command line from matching, a sentence for each word."""
        found = []
        for index, want in enumerate(self._words):
            if index >= len(argv):
                found.append(f"word {index}: expected {_shown(want)}, the command ends before it")
            elif not _matches(want, argv[index]):
                found.append(f"word {index}: expected {_shown(want)}, got {argv[index]!r}")
        if len(argv) > len(self._words) and not self._open:
            more = shlex.join(argv[len(self._words) :])
            found.append(f"word {len(self._words)}: expected the end, got {more}")
        return found

    def __str__(self) -> str:
        shown = [shlex.quote(w) if isinstance(w, str) else _shown(w) for w in self._words]
        return " ".join([*shown, "..."] if self._open else shown)


def _matches(want: Matcher, word: str) -> bool:
    if isinstance(want, str):
        return want == word
    if isinstance(want, Anything):
        return True
    if isinstance(want, re.Pattern):
        return want.fullmatch(word) is not None
    return bool(want(word))


def _shown(want: Matcher) -> str:
    if isinstance(want, re.Pattern):
        return f"/{want.pattern}/"
    if isinstance(want, (str, Anything)):
        return repr(want)
    return getattr(want, "__name__", repr(want))
