"""Patterns of the shell, for files, `case`, `${x%...}` and `[[ ... ]]`.

Texts are compared byte by byte, as in the C locale: each byte is taken for one character.
"""

import os
import re
from collections.abc import Iterable, Iterator

#: A piece of a field, and whether patterns in it are only text.
Piece = tuple[str, bool]

_CLASSES = {
    "alnum": "a-zA-Z0-9", "alpha": "a-zA-Z", "blank": " \\t", "cntrl": "\\x00-\\x1f\\x7f",
    "digit": "0-9", "graph": "!-~", "lower": "a-z", "print": " -~",
    "punct": "!-/:-@[-`{-~", "space": " \\t\\n\\r\\f\\v", "upper": "A-Z", "xdigit": "0-9a-fA-F",
}  # fmt: skip


class ShellPattern:
    """A pattern that matches whole texts.

    Args:
        pieces: its text.
    """

    def __init__(self, pieces: Iterable[Piece]) -> None:
        self._regex = re.compile(_translated(list(_characters(pieces))), re.DOTALL)

    def matches(self, text: str) -> bool:
        """Whether all of a text matches."""
        return self._regex.fullmatch(characters(text)) is not None

    def trim(self, value: str, operator: str) -> str:
        """Cut the shortest or longest match off the start (`#`, `##`) or the end (`%`, `%%`)."""
        text = characters(value)
        cuts: Iterable[int] = range(len(text) + 1)
        if (len(operator) == 2) == (operator[0] == "#"):
            cuts = reversed(range(len(text) + 1))
        for cut in cuts:
            before, after = text[:cut], text[cut:]
            cut_off, rest = (before, after) if operator[0] == "#" else (after, before)
            if self._regex.fullmatch(cut_off):
                return os.fsdecode(rest.encode("latin-1"))
        return value


def characters(text: str) -> str:
    """A text with a character for each of its bytes."""
    return text if text.isascii() else os.fsencode(text).decode("latin-1")


def magic(text: str) -> bool:
    """Whether a text that is not quoted is more than itself as a pattern."""
    plain = re.sub(r"\\.", "", text) if "\\" in text else text
    return any(character in plain for character in "*?[")


def _characters(pieces: Iterable[Piece]) -> Iterator[Piece]:
    """Single characters; a backslash that is not quoted came out of a variable, and quotes."""
    for text, quoted in pieces:
        letters = iter(characters(text))
        for letter in letters:
            if letter == "\\" and not quoted:
                yield next(letters, "\\"), True
            else:
                yield letter, quoted


def _translated(text: list[Piece]) -> str:
    """A regular expression."""
    parts = []
    position = 0
    while position < len(text):
        letter, quoted = text[position]
        position += 1
        end = _bracket_end(text, position) if (letter, quoted) == ("[", False) else 0
        if end:
            parts.append(_bracket(text[position:end]))
            position = end + 1
        elif quoted or letter not in "*?":
            parts.append(re.escape(letter))
        else:
            parts.append(".*" if letter == "*" else ".")
    return "".join(parts)


def _bracket_end(text: list[Piece], start: int) -> int:
    """Where the `]` of a bracket expression is, or 0 if it has none."""
    position = start
    if text[position : position + 1] in ([("!", False)], [("^", False)]):
        position += 1
    first = position
    while position < len(text):
        if text[position] == ("]", False) and position > first:
            return position
        name = _class_at(text, position)
        position += len(name) + 4 if name else 1
    return 0


def _class_at(text: list[Piece], position: int) -> str:
    """The name of a class of characters, `[:name:]`, that begins here."""
    found = re.match(r"\[:([a-z]+):\]", "".join(letter for letter, _ in text[position:]))
    return found[1] if found and found[1] in _CLASSES else ""


def _bracket(inside: list[Piece]) -> str:
    """A bracket expression, without its brackets."""
    negated = inside[:1] in ([("!", False)], [("^", False)])
    members = []
    position = int(negated)
    while position < len(inside):
        name = _class_at(inside, position)
        low = inside[position][0]
        if name:
            members.append(_CLASSES[name])
            position += len(name) + 4
        elif inside[position + 1 : position + 2] == [("-", False)] and position + 2 < len(inside):
            high = inside[position + 2][0]
            members += [f"{re.escape(low)}-{re.escape(high)}"] if low <= high else []
            position += 3
        else:
            members.append(re.escape(low))
            position += 1
    if not members:  # as [z-a]
        return "." if negated else "(?!)"
    return f"[{'^' if negated else ''}{''.join(members)}]"
