"""Reads shell scripts: the grammar of POSIX, and the parts of bash that are asked for most.

What is not read is refused by name: a script means here what it means to a real shell, or nothing.
"""

import re
from typing import TYPE_CHECKING, NoReturn

from .syntax import (
    AndOr,
    Case,
    Command,
    CommandList,
    ConditionalExpression,
    ConditionalPrimary,
    For,
    Function,
    Group,
    If,
    Literal,
    Loop,
    Pipeline,
    Redirect,
    Redirected,
    Simple,
    Word,
)
from .words import SyntaxProblem, Unknown, WordReader

if TYPE_CHECKING:
    from collections.abc import Callable

_RESERVED = re.compile(
    r"(?:if|then|elif|else|fi|for|while|until|do|done|case|esac|in|function|select|time|coproc"
    r"|\{|\}|!|\[\[|\]\])(?=[\s;&|<>()]|$)"
)
_CLOSING = ("then", "elif", "else", "fi", "do", "done", "esac", "}")
_NOT_READ = {
    "function": "the keyword function",
    "select": "the loop select",
    "time": "the keyword time",
    "coproc": "the keyword coproc",
}
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_ASSIGNMENT = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(\+?=|\[)")
_FUNCTION = re.compile(r"([A-Za-z_][A-Za-z0-9_-]*)[ \t]*\([ \t]*\)")
_REDIRECT = re.compile(r"(\d*)(&>>|&>|<<<|<<-|<<|<>|<&|>&|>>|>\||<|>)")


def parse(text: str, *, bash: bool = False) -> CommandList:
    """Read a script.

    Args:
        text: the script.
        bash: read it as bash does where that differs from `sh`.

    Raises:
        SyntaxProblem: no shell would run it.
        Unknown: names a construct that is not known here.
    """
    reader = _Parser(text, bash=bash)
    script = reader.script()
    if reader.position < len(text):
        reader.unexpected()
    return script


class _Parser(WordReader):
    """Recursive descent, straight on the characters."""

    def script(self) -> CommandList:
        """Commands up to a word or a character that ends the construct around them."""
        items: list[AndOr] = []
        while True:
            self.lines()
            if self.at_end() or self.peek(")") or self.peek(";;") or self.keyword() in _CLOSING:
                break
            items.append(self._and_or())
            self.blanks()
            if self.peek(";;") or not (self.peek("\n") or self.accept(";")):
                if items[-1].background:
                    continue
                break
        self._finish_documents_at_end()
        return CommandList(tuple(items))

    def _and_or(self) -> AndOr:
        first = self._pipeline()
        rest: list[tuple[str, Pipeline]] = []
        self.blanks()
        while self.peek("&&") or self.peek("||"):
            operator = self.take(2)
            self.lines()
            rest.append((operator, self._pipeline()))
            self.blanks()
        background = self.peek("&") and not self.peek("&>") and bool(self.take(1))
        return AndOr(first, tuple(rest), background)

    def _pipeline(self) -> Pipeline:
        negated = False
        self.blanks()
        while self.keyword() == "!":
            self.word_end("!")
            negated = not negated
            self.blanks()
        commands = [self._command()]
        self.blanks()
        while self.peek("|") and not self.peek("||"):
            self.take(1)
            if self.peek("&"):
                raise Unknown("the pipe |&")
            self.lines()
            commands.append(self._command())
            self.blanks()
        return Pipeline(tuple(commands), negated)

    def _command(self) -> Command:
        self.blanks()
        keyword = self.keyword()
        if keyword in _NOT_READ:
            raise Unknown(_NOT_READ[keyword])
        if self.bash and self.peek("(("):
            raise Unknown("the command ((...))")
        compound = self._compound(keyword)
        if compound is None:
            return self._simple()
        redirects = self._redirects()
        return Redirected(compound, redirects) if redirects else compound

    def _compound(self, keyword: str) -> Command | None:
        if self.accept("("):
            body = self.script()
            self.expect(")")
            return Group(self._filled(body), subshell=True)
        if keyword in _CLOSING or keyword == "in":
            self.unexpected()
        function = _FUNCTION.match(self.text, self.position)
        if function:
            self.position = function.end()
            self.lines()
            return Function(function[1], self._command())
        readers: dict[str, Callable[[], Command]] = {
            "{": self._group,
            "if": self._if,
            "while": self._loop,
            "until": self._loop,
            "for": self._for,
            "case": self._case,
        }
        if self.bash:
            readers["[["] = self._condition
        return readers[keyword]() if keyword in readers else None

    def _group(self) -> Group:
        self.word_end("{")
        body = self._filled(self.script())
        self.word_end("}")
        return Group(body)

    def _if(self) -> If:
        branches = []
        word = "if"
        while self.keyword() == word:
            self.word_end(word)
            condition = self._filled(self.script())
            self.word_end("then")
            branches.append((condition, self._filled(self.script())))
            word = "elif"
        otherwise = None
        if self.keyword() == "else":
            self.word_end("else")
            otherwise = self._filled(self.script())
        self.word_end("fi")
        return If(tuple(branches), otherwise)

    def _loop(self) -> Loop:
        until = self.keyword() == "until"
        self.word_end("until" if until else "while")
        condition = self._filled(self.script())
        return Loop(condition, self._body(), until)

    def _for(self) -> For:
        self.word_end("for")
        self.blanks()
        if self.peek("(("):
            raise Unknown("the loop for ((...))")
        name = _NAME.match(self.text, self.position)
        if not name:
            self.unexpected()
        self.position = name.end()
        self.lines()
        words: list[Word] | None = None
        if self.keyword() == "in":
            self.word_end("in")
            words = []
            self.blanks()
            while (word := self.word()) is not None:
                words.append(word)
                self.blanks()
        self.accept(";")
        return For(name[0], None if words is None else tuple(words), self._body())

    def _body(self) -> CommandList:
        self.lines()
        self.word_end("do")
        body = self._filled(self.script())
        self.word_end("done")
        return body

    def _case(self) -> Case:
        self.word_end("case")
        self.blanks()
        word = self.word()
        if word is None:
            self.unexpected()
        self.lines()
        self.word_end("in")
        branches = []
        self.lines()
        while self.keyword() != "esac":
            self.accept("(")
            patterns = [self._pattern()]
            while self.accept("|"):
                patterns.append(self._pattern())
            self.expect(")")
            branches.append((tuple(patterns), self.script()))
            if not self.accept(";;"):
                break
            if self.peek("&"):
                raise Unknown("the end ;;& of a case")
            self.lines()
        self.lines()
        self.word_end("esac")
        return Case(word, tuple(branches))

    def _condition(self) -> ConditionalExpression:
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

    def _pattern(self) -> Word:
        self.blanks()
        pattern = self.word()
        self.blanks()
        return pattern if pattern is not None else self.unexpected()

    def _simple(self) -> Simple:
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
            word = self.word()
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

    def _redirects(self) -> tuple[Redirect, ...]:
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
        if operator in ("<<", "<<-"):
            return self.document(fd, strip=operator == "<<-")
        target = self.word()
        if target is None:
            self.unexpected()
        if operator == "<<<":
            return Redirect(fd, "text", (*target, Literal("\n", quoted=True)))
        return Redirect(fd, {">|": ">"}.get(operator, operator), target)

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

    def _filled(self, script: CommandList) -> CommandList:
        return script if script.items else self.unexpected()

    def _finish_documents_at_end(self) -> None:
        if self.at_end():
            self.read_documents()

    def unexpected(self) -> NoReturn:
        """Refuse what comes next."""
        rest = self.text[self.position :]
        found = rest.split(None, 1)[0] if rest.split() else ""
        raise SyntaxProblem(f'"{found}" unexpected' if found else "unexpected end of the script")
