"""Reads shell scripts: the grammar of POSIX, and the parts of bash that are asked for most.

What is not read is refused by name: a script means here what it means to a real shell, or nothing.
"""

import re
from typing import TYPE_CHECKING

from .control import SPECIAL
from .simple_commands import SimpleCommandReader
from .syntax import (
    AndOr,
    Case,
    Command,
    CommandList,
    For,
    Function,
    Group,
    If,
    Loop,
    Pipeline,
    Redirected,
    Word,
)
from .words import SyntaxProblem, Unknown

if TYPE_CHECKING:
    from collections.abc import Callable

_CLOSING = ("then", "elif", "else", "fi", "do", "done", "esac", "}")
_NOT_READ = {
    "function": "the keyword function",
    "select": "the loop select",
    "time": "the keyword time",
    "coproc": "the keyword coproc",
}
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_FUNCTION = re.compile(r"([A-Za-z_][A-Za-z0-9_-]*)[ \t]*\([ \t]*\)")


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
    try:
        script = reader.script()
        if reader.position < len(text):
            reader.unexpected()
    except SyntaxProblem as error:
        error.before = CommandList(reader.whole_lines)
        raise
    return script


class _Parser(SimpleCommandReader):
    """Recursive descent, straight on the characters.

    Attributes:
        whole_lines: the commands of the lines that came before the present one.
    """

    whole_lines: tuple[AndOr, ...] = ()
    _depth = 0

    def script(self) -> CommandList:
        """Commands up to a word or a character that ends the construct around them."""
        items: list[AndOr] = []
        self._depth += 1
        while True:
            if self._depth == 1 and self.peek("\n"):
                self.whole_lines = tuple(items)
            self.lines()
            self._refuse_fall_through()
            if self.at_end() or self.peek(")") or self.peek(";;") or self.keyword() in _CLOSING:
                break
            items.append(self._and_or())
            self.blanks()
            self._refuse_fall_through()
            if items[-1].background:
                continue
            if self.peek(";;") or not (self.peek("\n") or self.accept(";")):
                break
            self.blanks()
        self._depth -= 1
        self._finish_documents_at_end()
        return CommandList(tuple(items))

    def _refuse_fall_through(self) -> None:
        if self.bash and self.peek(";&"):
            raise Unknown("the end ;& of a case")

    def _and_or(self) -> AndOr:
        first = self._pipeline()
        rest: list[tuple[str, Pipeline]] = []
        self.blanks()
        while self.peek("&&") or self.peek("||"):
            operator = self.take(2)
            self.lines()
            rest.append((operator, self._pipeline()))
            self.blanks()
        both = self.bash and self.peek("&>")
        background = self.peek("&") and not both and bool(self.take(1))
        return AndOr(first, tuple(rest), background)

    def _pipeline(self) -> Pipeline:
        negated = False
        self.blanks()
        while self.keyword() == "!" and (self.bash or not negated):
            self.word_end("!")
            negated = not negated
            self.blanks()
        commands = [self._command()]
        self.blanks()
        while self.peek("|") and not self.peek("||"):
            self.take(1)
            if self.bash and self.peek("&"):
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
            return self.simple_command()
        redirects = self.redirects()
        return Redirected(compound, redirects) if redirects else compound

    def _compound(self, keyword: str) -> Command | None:
        if self.accept("("):
            body = self.script()
            self.expect(")")
            return Group(self._filled(body), subshell=True)
        if keyword in _CLOSING or keyword in ("in", "!"):
            self.unexpected()
        function = _FUNCTION.match(self.text, self.position)
        if function:
            if not self.bash and (function[1] in SPECIAL or not _NAME.fullmatch(function[1])):
                raise SyntaxProblem("Bad function name")
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
            readers["[["] = self.condition
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

    def _pattern(self) -> Word:
        self.blanks()
        pattern = self.word()
        self.blanks()
        return pattern if pattern is not None else self.unexpected()

    def _filled(self, script: CommandList) -> CommandList:
        return script if script.items else self.unexpected()

    def _finish_documents_at_end(self) -> None:
        if self.at_end():
            self.read_documents()
