"""Reads the words of shell scripts: quotes, expansions and here-documents."""

import re
from typing import NoReturn

from .syntax import (
    Arithmetic,
    CommandList,
    Literal,
    Parameter,
    Part,
    Redirect,
    Substitution,
    Tilde,
    Word,
)


class SyntaxProblem(Exception):
    """A script that no shell would run.

    Attributes:
        before: what a shell has run when it comes to the line that is wrong.
    """

    before: CommandList | None = None


class Unknown(Exception):
    """A construct that a real shell has and this one has not; the message names it."""


_ENDS = frozenset(" \t\n;&|<>()")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*|[0-9]+|[@*#?$!-]")
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*|[0-9@*#?$!-]")
_OPERATOR = re.compile(r":?[-=?+]|%%?|##?")
_BRACES = re.compile(r"\{[^{}\s'\"]*(,|\.\.)[^{}\s'\"]*\}")
_ANSI = {
    "n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "e": "\x1b", "E": "\x1b",
    "f": "\f", "v": "\v", "\\": "\\", "'": "'", '"': '"', "?": "?",
}  # fmt: skip


class WordReader:
    """Reads words from a text; scripts inside words are read by `script`, of the parser."""

    def __init__(self, text: str, *, bash: bool) -> None:
        self.text = text
        self.bash = bash
        self.position = 0
        self._tilde_ends = _ENDS | {"/"}
        self._documents: list[tuple[str, bool, bool, list[Part]]] = []

    def script(self) -> CommandList:
        """Commands up to what ends the construct around them."""
        raise NotImplementedError

    def unexpected(self) -> NoReturn:
        """Refuse what comes next."""
        raise NotImplementedError

    # Characters.

    def at_end(self) -> bool:
        """Whether nothing is left."""
        return self.position >= len(self.text)

    def peek(self, wanted: str) -> bool:
        """Whether `wanted` comes next."""
        return self.text.startswith(wanted, self.position)

    def take(self, count: int) -> str:
        """The next characters."""
        taken = self.text[self.position : self.position + count]
        self.position += count
        return taken

    def accept(self, wanted: str) -> bool:
        """Step over `wanted` if it comes next."""
        if self.peek(wanted):
            self.position += len(wanted)
            return True
        return False

    def expect(self, wanted: str) -> None:
        """Step over `wanted`, which must come next."""
        self.blanks()
        if not self.accept(wanted):
            self.unexpected()

    def blanks(self) -> None:
        """Step over blanks, joined lines, and a comment."""
        while not self.at_end():
            if self.text[self.position] in " \t":
                self.position += 1
            elif self.peek("\\\n"):
                self.position += 2
            elif self.peek("#"):
                end = self.text.find("\n", self.position)
                self.position = len(self.text) if end < 0 else end
            else:
                break

    def lines(self) -> None:
        """Step over blanks and line ends; here-documents begin after a line end."""
        self.blanks()
        while self.accept("\n"):
            self.read_documents()
            self.blanks()

    # Words.

    def word(self, *, assignment: bool = False) -> Word | None:
        """The next word, or `None` if what comes next is none."""
        parts: list[Part] = []
        begin = self.position
        self._tilde_ends = _ENDS | set("/:") if assignment else _ENDS | {"/"}
        while not self.at_end() and self.text[self.position] not in _ENDS:
            if self.peek("\\\n"):
                self.position += 2
            else:
                parts += self._part(first=not parts or (assignment and self._after_colon()))
        if self.bash and not assignment:
            self._refuse_braces(parts)
        return tuple(parts) if parts or assignment or self.position > begin else None

    def _after_colon(self) -> bool:
        return self.text[self.position - 1] in "=:"

    def _part(self, *, first: bool, ends: frozenset[str] = _ENDS) -> list[Part]:
        character = self.text[self.position]
        if character == "'":
            end = self.text.find("'", self.position + 1)
            if end < 0:
                raise SyntaxProblem("unterminated quoted string")
            quoted = self.text[self.position + 1 : end]
            self.position = end + 1
            return [Literal(quoted, quoted=True)]
        if character == '"':
            self.position += 1
            return _in_quotes(self.quoted_parts('"'))
        if character == "\\":
            self.position += 1
            return [Literal(self.take(1) or "\\", quoted=True)]
        if character == "`":
            return [self._backquoted(quoted=False)]
        if character == "$":
            return self._dollar(quoted=False)
        if character == "~" and first:
            return self._tilde()
        start = self.position
        self.position += 1
        while not self.at_end() and self.text[self.position] not in ends | set("'\"\\`$~"):
            self.position += 1
        return [Literal(self.text[start : self.position])]

    def _tilde(self) -> list[Part]:
        self.position += 1
        if self.at_end() or self.text[self.position] in self._tilde_ends:
            return [Tilde()]
        if self.text[self.position].isalpha():
            raise Unknown("the home directory of a named user, ~name,")
        return [Literal("~", quoted=True)]

    def _refuse_braces(self, parts: list[Part]) -> None:
        for part in parts:
            if isinstance(part, Literal) and not part.quoted and _BRACES.search(part.text):
                raise Unknown("the brace expansion {a,b}")

    def quoted_parts(self, end: str) -> list[Part]:
        """The inside of double quotes up to `end`, or of a here-document to the end of it."""
        parts: list[Part] = []
        text: list[str] = []
        while True:
            if self.at_end():
                if end:
                    raise SyntaxProblem("unterminated quoted string")
                break
            character = self.take(1)
            if character == end:
                break
            if character == "\\" and self.text[self.position : self.position + 1] in (
                *("$", "`", "\\", "\n"),
                end or "\\",
            ):
                escaped = self.take(1)
                text.append("" if escaped == "\n" else escaped)
            elif character in "$`":
                parts.append(Literal("".join(text), quoted=True))
                text.clear()
                self.position -= 1
                if character == "$":
                    parts += self._dollar(quoted=True)
                else:
                    parts.append(self._backquoted(quoted=True))
            else:
                text.append(character)
        return [*parts, Literal("".join(text), quoted=True)]

    def _dollar(self, *, quoted: bool) -> list[Part]:
        self.position += 1
        while self.accept("\\\n"):
            pass
        if self.peek("(("):
            return [self._arithmetic(quoted=quoted)]
        if self.accept("("):
            script = self.script()
            self.expect(")")
            return [Substitution(script, quoted)]
        if self.accept("{"):
            return [self._braced(quoted=quoted)]
        if self.bash and not quoted and self.accept("'"):
            return [self._ansi()]
        if self.bash and self.peek("["):
            raise Unknown("the arithmetic $[...]")
        if self.bash and not quoted and self.peek('"'):
            raise Unknown('the translated string $"..."')
        name = _PLAIN.match(self.text, self.position)
        if not name:
            return [Literal("$", quoted=True)]
        self.position = name.end()
        return [Parameter(name[0], quoted=quoted)]

    def _arithmetic(self, *, quoted: bool) -> Arithmetic:
        self.position += 2
        start, depth = self.position, 0
        while not self.at_end():
            character = self.text[self.position]
            if character == ")" and depth == 0:
                break
            depth += {"(": 1, ")": -1}.get(character, 0)
            self.position += 1
        if not self.peek("))"):
            raise SyntaxProblem("missing '))'")
        inside = self._inner(self.text[start : self.position])
        self.position += 2
        return Arithmetic(tuple(inside.quoted_parts("")), quoted)

    def _inner(self, text: str) -> "WordReader":
        return type(self)(text, bash=self.bash)

    def _braced(self, *, quoted: bool) -> Parameter:
        if self.peek("#") and not self.peek("#}"):
            self.position += 1
            name = _NAME.match(self.text, self.position)
            if name and self.text.startswith("}", name.end()):
                self.position = name.end() + 1
                return Parameter(name[0], "length", quoted=quoted)
            self.position -= 1
        if self.peek("!") and not self.peek("!}"):
            raise Unknown("the indirection ${!...}")
        name = _NAME.match(self.text, self.position)
        if not name:
            what = self.text[self.position : self.position + 1]
            raise Unknown(f"the expansion ${{{what}...}}")
        self.position = name.end()
        if self.accept("}"):
            return Parameter(name[0], quoted=quoted)
        if self.at_end():
            raise SyntaxProblem("missing '}'")
        operator = _OPERATOR.match(self.text, self.position)
        if not operator:
            what = self.text[self.position : self.position + 1]
            raise Unknown(f"the expansion ${{{name[0]}{what}...}}")
        self.position = operator.end()
        # Quotes in a pattern count even inside double quotes.
        inside = quoted and operator[0][0] not in "%#"
        return Parameter(name[0], operator[0], self._until_brace(quoted=inside), quoted)

    def _until_brace(self, *, quoted: bool) -> Word:
        parts: list[Part] = []
        tilde_ends, self._tilde_ends = self._tilde_ends, _ENDS | set("/}")
        while not self.accept("}"):
            if self.at_end():
                raise SyntaxProblem("missing '}'")
            if quoted:
                parts += self._part_in_quotes()
            elif self.text[self.position] in _ENDS:
                parts.append(Literal(self.take(1)))
            else:
                parts += self._part(first=not parts, ends=_ENDS | {"}"})
        self._tilde_ends = tilde_ends
        return tuple(parts)

    def _part_in_quotes(self) -> list[Part]:
        """A piece of the word of an expansion that is itself inside double quotes."""
        character = self.text[self.position]
        if character == "$":
            return self._dollar(quoted=True)
        if character == "`":
            return [self._backquoted(quoted=True)]
        self.position += 1
        if character == '"':
            return self.quoted_parts('"')
        if character == "\\" and self.text[self.position : self.position + 1] in tuple('$`"\\}'):
            character = self.take(1)
        return [Literal(character, quoted=True)]

    def _backquoted(self, *, quoted: bool) -> Substitution:
        self.position += 1
        text = []
        while not self.accept("`"):
            if self.at_end():
                raise SyntaxProblem("EOF in backquote substitution")
            character = self.take(1)
            follows = self.text[self.position : self.position + 1]
            if character == "\\" and follows and follows in "$`\\" + ('"' if quoted else ""):
                character = self.take(1)
            text.append(character)
        inside = self._inner("".join(text))
        script = inside.script()
        if not inside.at_end():
            inside.unexpected()
        return Substitution(script, quoted)

    def _ansi(self) -> Literal:
        text = []
        while not self.accept("'"):
            if self.at_end():
                raise SyntaxProblem("unterminated quoted string")
            character = self.take(1)
            if character == "\\":
                key = self.take(1)
                if key not in _ANSI:
                    raise Unknown(f"the escape \\{key} in $'...'")
                character = _ANSI[key]
            text.append(character)
        return Literal("".join(text), quoted=True)

    # Here-documents.

    def document(self, fd: int, *, strip: bool) -> Redirect:
        """A here-document: its delimiter now, its text when the line ends."""
        word = self.word()
        if word is None:
            self.unexpected()
        if not all(isinstance(part, Literal) for part in word):
            raise Unknown("an expansion in the delimiter of a here-document")
        literals = [part for part in word if isinstance(part, Literal)]
        parts: list[Part] = []
        delimiter = "".join(part.text for part in literals)
        self._documents.append((delimiter, any(p.quoted for p in literals), strip, parts))
        return Redirect(fd, "text", parts)

    def read_documents(self) -> None:
        """Read the text of the here-documents that the last line began."""
        documents, self._documents = self._documents, []
        for delimiter, quoted, strip, parts in documents:
            lines = []
            while not self.at_end():
                end = self.text.find("\n", self.position)
                end = len(self.text) if end < 0 else end + 1
                line = self.text[self.position : end]
                self.position = end
                line = line.lstrip("\t") if strip else line
                if line.removesuffix("\n") == delimiter:
                    break
                lines.append(f"{line}\n" if self.bash and line[-1:] != "\n" else line)
            text = "".join(lines)
            parts += [Literal(text, quoted=True)] if quoted else self._inner(text).quoted_parts("")


def _in_quotes(parts: list[Part]) -> list[Part]:
    """Quotes make a field even of nothing, unless they hold only an empty `"$@"`."""
    if any(isinstance(part, Parameter) and part.name == "@" for part in parts):
        return [part for part in parts if part != Literal("", quoted=True)]
    return parts
