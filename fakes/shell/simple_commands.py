"""Reads what a shell command is made of besides other commands: simple commands and conditions."""

import re
from collections.abc import Sequence
from typing import NoReturn

from .syntax import (
    ConditionalExpression,
    ConditionalPrimary,
    Literal,
    Redirect,
    Simple,
    Word,
)
from .words import SyntaxProblem, Unknown, WordReader

_RESERVED = re.compile(
    r"(?:if|then|elif|else|fi|for|while|until|do|done|case|esac|in|function|select|time|coproc"
    r"|\{|\}|!|\[\[|\]\])(?=[\s;&|<>()]|$)"
)
_ASSIGNMENT = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(\+?=|\[)")
_REDIRECT = re.compile(r"(\d*)(&>>|&>|<<<|<<-|<<|<>|<&|>&|>>|>\||<|>)")
_NUMBERED = re.compile(r"\d+[<>]")


class SimpleCommandReader(WordReader):
    """Simple commands, their redirections, and `[[ ... ]]`."""

    def simple_command(self) -> Simple:
        """Assignments, words and redirections, in any order."""
        assignments: list[tuple[str, Word]] = []
        words: list[Word] = []
        redirects: list[Redirect] = []
        while True:
            self.blanks()
            redirect = self._redirect()
            if redirect is not None:
                redirects.append(redirect)
                continue
            assignment = None if words else self._assignment()
            if assignment is not None:
                assignments.append(assignment)
                continue
            word = self.word(assignment=self._declares(words))
            if word is None:
                break
            words.append(word)
        if not (assignments or words or redirects):
            self.unexpected()
        return Simple(tuple(assignments), tuple(words), tuple(redirects))

    def _assignment(self) -> tuple[str, Word] | None:
        found = _ASSIGNMENT.match(self.text, self.position)
        if not found:
            return None
        if found[2] != "=":
            if found[2] == "[" and "]=" not in self.text[found.end() :].partition(" ")[0]:
                return None
            raise Unknown("an array" if found[2] == "[" else "the assignment +=")
        self.position = found.end()
        if self.peek("("):
            raise Unknown("an array")
        return found[1], self.word(assignment=True) or ()

    def _declares(self, words: Sequence[Word]) -> bool:
        """Whether the next word is an assignment of `export` or `local`."""
        return (
            words[:1] in ([(Literal("export"),)], [(Literal("local"),)])
            and _ASSIGNMENT.match(self.text, self.position) is not None
        )

    def redirects(self) -> tuple[Redirect, ...]:
        """The redirections that follow a compound command."""
        found = []
        self.blanks()
        while (redirect := self._redirect()) is not None:
            found.append(redirect)
            self.blanks()
        return tuple(found)

    def _redirect(self) -> Redirect | None:
        found = _REDIRECT.match(self.text, self.position)
        if not found:
            return None
        number, operator = found.groups()
        if operator.startswith("&>") and not self.bash:
            return None
        self.position = found.end()
        if operator in ("<", ">") and self.peek("("):
            raise Unknown(f"the process substitution {operator}(...)")
        fd = int(number) if number else 0 if operator[0] == "<" else 1
        self.blanks()
        if not self.bash and (operator == "<<<" or _NUMBERED.match(self.text, self.position)):
            self.unexpected()
        if operator in ("<<", "<<-"):
            return self.document(fd, strip=operator == "<<-")
        target = self.word()
        if target is None:
            self.unexpected()
        if operator == "<<<":
            return Redirect(fd, "text", (*target, Literal("\n", quoted=True)))
        return Redirect(fd, {">|": ">"}.get(operator, operator), target)

    # `[[ ... ]]`.

    def condition(self) -> ConditionalExpression:
        """A whole `[[ ... ]]`."""
        self.word_end("[[")
        condition = self._either()
        self.blanks()
        self.word_end("]]")
        return condition

    def _either(self) -> ConditionalExpression:
        parts = [self._both()]
        while self.accept("||"):
            parts.append(self._both())
        return ConditionalExpression("||", tuple(parts))

    def _both(self) -> ConditionalExpression:
        parts = [self._not()]
        while self.accept("&&"):
            parts.append(self._not())
        return ConditionalExpression("&&", tuple(parts))

    def _not(self) -> ConditionalExpression | ConditionalPrimary:
        self.lines()
        if self.keyword() == "!":
            self.word_end("!")
            return ConditionalExpression("!", (self._not(),))
        if self.accept("("):
            inside = self._either()
            self.expect(")")
            self.lines()
            return inside
        words: list[Word] = []
        while self.keyword() != "]]" and (word := self.word()) is not None:
            words.append(word)
            self.blanks()
        self.lines()
        if self.peek("<") or self.peek(">"):
            raise Unknown(f"the comparison {self.take(1)} in [[ ... ]]")
        return ConditionalPrimary(tuple(words)) if words else self.unexpected()

    # Small steps.

    def keyword(self) -> str:
        """The reserved word that comes next, or ""."""
        found = _RESERVED.match(self.text, self.position)
        return found[0] if found else ""

    def word_end(self, keyword: str) -> None:
        """Step over a reserved word, which must come next."""
        if self.keyword() != keyword:
            self.unexpected()
        self.position += len(keyword)

    def unexpected(self) -> NoReturn:
        """Refuse what comes next."""
        rest = self.text[self.position :]
        found = rest.split(None, 1)[0] if rest.split() else ""
        raise SyntaxProblem(f'"{found}" unexpected' if found else "unexpected end of the script")
