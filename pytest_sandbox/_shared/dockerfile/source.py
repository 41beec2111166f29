"""The lines of a Dockerfile as instructions.

See "Dockerfile reference" of Docker: sections "Format", "Parser directives" and "Here-Documents".
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from .instruction import DockerfileError, Heredoc, Instruction, exec_form
from .words import expand, raw_words

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

#: `target` is ours: which stage is wanted, for clients that have no other way to say it.
_DIRECTIVE = re.compile(
    r"#\s*(syntax|escape|check|pytest-sandbox\.target)\s*=\s*(.*?)\s*", re.IGNORECASE
)
_TARGET = "pytest-sandbox.target"
_HEREDOC = re.compile(r"\d*<<(-?)([^<]+)")
_WITH_HEREDOCS = ("RUN", "COPY", "ADD")


@dataclass(frozen=True)
class Dockerfile:
    """The instructions of a Dockerfile.

    Attributes:
        instructions: in order.
        target: the stage that is wanted; empty for the last one.
    """

    instructions: tuple[Instruction, ...]
    target: str = ""


def directive_for(target: str) -> str:
    """The line, before all others, that says which stage is wanted."""
    return f"# {_TARGET}={target}"


def parse(lines: Iterable[str]) -> Dockerfile:
    """Read a Dockerfile.

    Args:
        lines: each may have several.

    Raises:
        DockerfileError: it is none.
    """
    text = "\n".join(lines).removeprefix("\ufeff")
    physical = text.split("\n")
    directives, first = _directives(physical)
    escape = directives.get("escape", "\\")
    if escape not in ("\\", "`"):
        raise DockerfileError(f"# escape={escape} is not valid: it must be \\ or `")
    reader = _LineReader(physical, first, escape)
    return Dockerfile(tuple(reader.instructions()), directives.get(_TARGET, ""))


def _directives(lines: list[str]) -> tuple[Mapping[str, str], int]:
    """Those at the top, and how many lines they take: any other line ends them."""
    found: dict[str, str] = {}
    for number, line in enumerate(lines):
        match = _DIRECTIVE.fullmatch(line.strip())
        name = match[1].lower() if match else ""
        if match is None or name in found:
            return found, number
        found[name] = match[2]
    return found, len(lines)


class _LineReader:
    """Reads lines from front to back."""

    def __init__(self, lines: list[str], position: int, escape: str) -> None:
        self._lines = lines
        self._position = position
        self._escape = escape
        e = re.escape(escape)
        self._continued = re.compile(rf"(^|[^{e}]){e}[ \t]*$")

    def instructions(self) -> Iterator[Instruction]:
        while self._position < len(self._lines):
            number = self._position + 1
            text = self._logical_line()
            if text:
                yield self._instruction(text, number)

    def _next(self) -> str:
        self._position += 1
        return self._lines[self._position - 1].removesuffix("\r")

    def _logical_line(self) -> str:
        """The next line with those that continue it; empty for a comment."""
        line = self._next().lstrip()
        if line.startswith("#"):
            return ""
        text, more = self._without_continuation(line)
        while more and self._position < len(self._lines):
            line = self._next()
            if line.strip() and not line.lstrip().startswith("#"):
                part, more = self._without_continuation(line)
                text += part
        return text.strip()

    def _without_continuation(self, line: str) -> tuple[str, bool]:
        match = self._continued.search(line)
        return (line, False) if match is None else (line[: match.start()] + match[1], True)

    def _instruction(self, text: str, number: int) -> Instruction:
        verb, rest = _split(text)
        flags, rest = _flags(rest)
        inner = verb.upper(), rest
        if inner[0] == "ONBUILD":
            name, words = _split(rest)
            inner = name.upper(), _flags(words)[1]
        heredocs: list[Heredoc] = []
        if inner[0] in _WITH_HEREDOCS and "<<" in inner[1] and exec_form(inner[1]) is None:
            heredocs = [self._heredoc(each) for each in _heredocs(inner[1], self._escape)]
        return Instruction(verb.upper(), rest, flags, tuple(heredocs), self._escape, number)

    def _heredoc(self, announced: Heredoc) -> Heredoc:
        body = ""
        while self._position < len(self._lines):
            line = self._next()
            if (line.lstrip("\t") if announced.strip_tabs else line) == announced.name:
                return Heredoc(announced.name, body, announced.expand, announced.strip_tabs)
            body += self._lines[self._position - 1] + "\n"
        raise DockerfileError(f"nothing ends the heredoc {announced.name!r}")


def _heredocs(text: str, escape: str) -> Iterator[Heredoc]:
    """Those that a line announces; none if a quotation mark in it has no partner, as at Docker."""
    try:
        expand(text.replace("$", ""), {}, escape)
    except DockerfileError:
        return
    for word in raw_words(text, escape):
        match = _HEREDOC.fullmatch(word)
        if match is not None:
            name = expand(match[2].replace("$", f"{escape}$"), {}, escape)
            if name:
                yield Heredoc(name, "", match[2] == name, bool(match[1]))


def heredoc_name(text: str, escape: str = "\\") -> str | None:
    """The name of the heredoc that is all of a text; `None` for any other text."""
    if len(raw_words(text, escape)) != 1:
        return None
    return next((each.name for each in _heredocs(text, escape)), None)


def _split(text: str) -> tuple[str, str]:
    """The first word of a text, and the rest."""
    verb, *rest = text.split(None, 1) or [""]
    return verb, rest[0].strip() if rest else ""


def _flags(text: str) -> tuple[tuple[tuple[str, str], ...], str]:
    """The flags that a text begins with, and the rest. They may have quotes."""
    flags: list[tuple[str, str]] = []
    while text.startswith("--"):
        word, end = _flag(text)
        text = text[end:].lstrip()
        if word == "--":
            break
        name, _, value = word.removeprefix("--").partition("=")
        flags.append((name, value))
    return tuple(flags), text.strip()


def _flag(text: str) -> tuple[str, int]:
    """The first word without its quotes, and where it ends."""
    word, quote, position = "", "", 0
    while position < len(text):
        character = text[position]
        position += 1
        if character == "\\":
            word += text[position : position + 1]
            position += 1
        elif character == quote:
            quote = ""
        elif not quote and character in "\"'":
            quote = character
        elif not quote and character.isspace():
            return word, position
        else:
            word += character
    return word, position
