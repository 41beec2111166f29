"""Words of a Dockerfile: quotes, escapes and variables.

See "Dockerfile reference" of Docker, section "Environment replacement".
"""

from __future__ import annotations

from .instruction import DockerfileError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

#: Parameters of a shell with a name of one character, which no Dockerfile sets.
_SPECIAL = "@*#?-$!"
#: Depth of one default in another, above which a line is refused.
_DEEPEST = 50


def words(text: str, variables: Mapping[str, str], escape: str = "\\") -> list[str]:
    """The words of a line: quotes are gone, and variables have their values, which are not split.

    Raises:
        DockerfileError: a quotation mark or a brace has no partner, or a variable is required.
    """
    return [expand(word, variables, escape) for word in raw_words(text, escape)]


def expand(text: str, variables: Mapping[str, str], escape: str = "\\") -> str:
    """A text as one word, with the spaces in it.

    Raises:
        DockerfileError: as `words`.
    """
    return _Expansion(text, variables, escape).until("")


def expand_text(text: str, variables: Mapping[str, str], escape: str = "\\") -> str:
    """A text of lines, as in a heredoc: quotation marks in it mean nothing.

    Raises:
        DockerfileError: as `words`.
    """
    return _Expansion(text, variables, escape, quotes="").until("")


def raw_words(text: str, escape: str = "\\") -> list[str]:
    """The words of a line as they are written."""
    found: list[str] = []
    word, quote, braces, position = "", "", 0, 0
    while position < len(text):
        character = text[position]
        if character == escape and quote != "'" and position + 1 < len(text):
            word += text[position : position + 2]
            position += 2
            continue
        if character.isspace() and not quote and not braces:
            found += [word] if word else []
            word = ""
        else:
            word += character
            if quote:
                quote = "" if character == quote else quote
            elif character in "\"'":
                quote = character
            elif text.startswith("${", position):
                braces += 1
            elif character == "}" and braces:
                braces -= 1
        position += 1
    return [*found, word] if word else found


class _Expansion:
    """Goes through one text, from its beginning to its end."""

    def __init__(
        self, text: str, variables: Mapping[str, str], escape: str, quotes: str = "'\""
    ) -> None:
        self._text = text
        self._variables = variables
        self._escape = escape
        self._quotes = quotes
        self._position = 0
        self._depth = 0

    def until(self, stop: str) -> str:
        """What comes before a character, which is passed; all of the text for none."""
        found = ""
        while character := self._next():
            if character == stop:
                return found
            if character in self._quotes:
                found += self._single() if character == "'" else self._double()
            elif character == "$":
                found += self._variable()
            elif character == self._escape:
                found += self._next()
            else:
                found += character
        if stop:
            raise DockerfileError(f"a {{ has no partner in {self._text!r}")
        return found

    def _next(self) -> str:
        character = self._peek()
        self._position += 1
        return character

    def _peek(self) -> str:
        return self._text[self._position : self._position + 1]

    def _single(self) -> str:
        end = self._text.find("'", self._position)
        if end < 0:
            raise DockerfileError(f"a ' has no partner in {self._text!r}")
        found = self._text[self._position : end]
        self._position = end + 1
        return found

    def _double(self) -> str:
        found = ""
        while character := self._next():
            if character == '"':
                return found
            if character == "$":
                found += self._variable()
            elif character == self._escape and self._peek() in ('"', "$", self._escape):
                found += self._next()
            else:
                found += character
        raise DockerfileError(f'a " has no partner in {self._text!r}')

    def _variable(self) -> str:
        """The value of a variable, whose `$` was passed."""
        if self._peek() != "{":
            name = self._name()
            return self._variables.get(name, "") if name else "$"
        self._next()
        name, sign = self._name(), self._next()
        if sign == "}" and name:
            return self._variables.get(name, "")
        value = self._variables.get(name)
        if sign == ":":
            sign, value = self._next(), value or None
        if not name or not sign or sign not in "-+?":
            raise DockerfileError(f"${{{name}{sign}...}} is not known: it is in {self._text!r}")
        self._depth += 1
        if self._depth > _DEEPEST:
            raise DockerfileError(f"more than {_DEEPEST} variables are in one another")
        other = self.until("}")
        self._depth -= 1
        if sign == "?" and value is None:
            raise DockerfileError(f"{name}: {other or 'it is not set'}")
        if sign == "+":
            return "" if value is None else other
        return other if value is None else value

    def _name(self) -> str:
        first = self._peek()
        if first and first in _SPECIAL:
            return self._next()
        start = self._position
        while (character := self._peek()) and (character.isalnum() or character == "_"):
            if first.isdigit() and not character.isdigit():
                break
            self._position += 1
        return self._text[start : self._position]
