"""From words of a script to the arguments of a command."""

import fnmatch
import re
from collections.abc import Iterable
from typing import Protocol

from ..files.inode import Directory
from ..processes.process import SandboxProcess
from .arithmetic import evaluate
from .syntax import Arithmetic, CommandList, Literal, Parameter, Part, Tilde, Word
from .words import SyntaxProblem

#: A piece of a field, and whether patterns in it are only text.
Piece = tuple[str, bool]
_BREAK = None  # between two fields


class Variables(Protocol):
    """What expansion needs of a shell."""

    proc: SandboxProcess
    arguments: list[str]

    def lookup(self, name: str) -> str | None:
        """The value of a variable or a special parameter."""

    def assign(self, name: str, value: str) -> None:
        """Set a variable."""

    def unset_is_an_error(self, name: str) -> bool:
        """Whether using an unset variable ends the script (`set -u`)."""

    async def output_of(self, script: CommandList) -> str:
        """What a script prints, without the line ends at its end."""


class Expansion:
    """Expands words in the context of a shell."""

    def __init__(self, shell: Variables) -> None:
        self._shell = shell

    async def fields(self, words: Iterable[Word]) -> list[str]:
        """All expansions, splitting and patterns included: the arguments of a command."""
        found: list[str] = []
        for word in words:
            if len(word) == 1 and isinstance(part := word[0], Literal) and not _magic(part.text):
                found.append(part.text)
                continue
            for pieces in await self._split(word):
                found += self._paths(pieces)
        return found

    async def text(self, word: Word) -> str:
        """Expansion without splitting or patterns: a value, a path, a document."""
        return "".join([text for text, _ in await self._joined(word)])

    async def pattern(self, word: Word) -> "re.Pattern[str]":
        """A word as a pattern: what was quoted counts as text."""
        return compile_pattern(await self._joined(word))

    async def _joined(self, word: Word) -> list[Piece]:
        pieces: list[Piece] = []
        for part in word:
            found = await self._part(part, split=False)
            pieces += [(" ", True) if piece is None else piece for piece in found]
        return pieces

    async def _split(self, word: Word) -> list[list[Piece]]:
        fields: list[list[Piece]] = [[]]
        for part in word:
            for piece in await self._part(part, split=True):
                if piece is None:
                    fields.append([])
                else:
                    fields[-1].append(piece)
        return [field for field in fields if any(text or quoted for text, quoted in field)]

    async def _part(self, part: Part, *, split: bool) -> list[Piece | None]:
        if isinstance(part, Literal):
            return [(part.text, part.quoted)]
        if isinstance(part, Tilde):
            return [(self._shell.lookup("HOME") or "~", True)]
        if isinstance(part, Parameter):
            return await self._parameter(part, split=split)
        if isinstance(part, Arithmetic):
            value = str(evaluate(await self.text(part.expression), self._number_of))
        else:
            value = await self._shell.output_of(part.script)
        return self._cut(value, quoted=part.quoted, split=split)

    def _number_of(self, name: str) -> str:
        return self._shell.lookup(name) or "0"

    async def _parameter(self, part: Parameter, *, split: bool) -> list[Piece | None]:
        shell = self._shell
        if part.name in ("@", "*") and not part.operator:
            return self._all_arguments(part, split=split)
        value = " ".join(shell.arguments) if part.name in ("@", "*") else shell.lookup(part.name)
        operator = part.operator
        if operator == "length":
            return [(str(len(value or "")), part.quoted)]
        if operator[:1] in ("%", "#"):
            pieces = await self._joined(part.word)
            return self._cut(_trim(value or "", operator, pieces), quoted=part.quoted, split=split)
        unset = value is None or (operator[:1] == ":" and value == "")
        kind = operator[-1:]
        if kind == "+":
            return [] if unset else await self._word(part, split=split)
        if not unset or not kind:
            if value is None and shell.unset_is_an_error(part.name):
                raise SyntaxProblem(f"{part.name}: parameter not set")
            return self._cut(value or "", quoted=part.quoted, split=split)
        if kind == "?":
            message = await self.text(part.word) or "parameter not set"
            raise SyntaxProblem(f"{part.name}: {message}")
        if kind == "=":
            shell.assign(part.name, await self.text(part.word))
        return await self._word(part, split=split)

    async def _word(self, part: Parameter, *, split: bool) -> list[Piece | None]:
        """The word after an operator, expanded in its place."""
        pieces: list[Piece | None] = []
        for inner in part.word:
            if isinstance(inner, Literal) and not inner.quoted:
                pieces += self._cut(inner.text, quoted=part.quoted, split=split)
            else:
                pieces += await self._part(inner, split=split)
        return pieces or ([("", True)] if part.quoted else [])

    def _all_arguments(self, part: Parameter, *, split: bool) -> list[Piece | None]:
        arguments = self._shell.arguments
        if part.quoted and part.name == "*":
            ifs = self._shell.lookup("IFS")
            return [((" " if ifs is None else ifs[:1]).join(arguments), True)]
        pieces: list[Piece | None] = []
        for index, argument in enumerate(arguments):
            if index:
                pieces.append(_BREAK)
            pieces += self._cut(argument, quoted=part.quoted, split=split)
        return pieces

    def _cut(self, value: str, *, quoted: bool, split: bool) -> list[Piece | None]:
        """Split an unquoted value at `IFS`."""
        if quoted or not split:
            return [(value, quoted)]
        given = self._shell.lookup("IFS")
        ifs = " \t\n" if given is None else given
        if not ifs or not any(character in ifs for character in value):
            return [(value, False)] if value else []
        pieces: list[Piece | None] = []
        for index, field in enumerate(_separate(value, ifs)):
            pieces += [_BREAK] if index else []
            # An empty field counts only between two separators that are no blanks.
            pieces.append((field, not field and bool(ifs.strip(" \t\n"))))
        return pieces

    # Patterns.

    def _paths(self, pieces: list[Piece]) -> list[str]:
        text = "".join([text for text, _ in pieces])
        if not any(_magic(text) for text, quoted in pieces if not quoted):
            return [text]
        return sorted(self._glob(pieces)) or [text]

    def _glob(self, pieces: list[Piece]) -> list[str]:
        steps: list[list[Piece]] = [[]]
        for text, quoted in pieces:
            first, *rest = text.split("/")
            steps[-1].append((first, quoted))
            steps += [[(below, quoted)] for below in rest]
        found = [""]
        for index, step in enumerate(steps):
            plain = "".join([text for text, _ in step])
            wild = any(_magic(text) for text, quoted in step if not quoted)
            slash = "/" if index < len(steps) - 1 else ""
            found = [
                path + name + slash
                for path in found
                for name in (self._matching(path, step) if wild else [plain])
            ]
        return [path for path in found if self._exists(path)]

    def _matching(self, path: str, step: list[Piece]) -> list[str]:
        proc = self._shell.proc
        try:
            names = proc.fs.names(proc.fs.folder(path or ".", base=proc.cwd))
        except OSError:
            return []
        pattern = compile_pattern(step)
        hidden = step[0][0].startswith(".")
        return [name for name in names if pattern.match(name) and (hidden or name[0] != ".")]

    def _exists(self, path: str) -> bool:
        proc = self._shell.proc
        try:
            inode = proc.fs.lookup(path, base=proc.cwd, follow=False)
        except OSError:
            return False
        return not path.endswith("/") or isinstance(inode, Directory)


def compile_pattern(pieces: Iterable[Piece]) -> "re.Pattern[str]":
    """A pattern of the shell as a regular expression that matches whole texts."""
    parts = []
    for text, quoted in pieces:
        parts.append(re.sub(r"([*?[])", r"[\1]", text) if quoted else text)
    return re.compile(fnmatch.translate("".join(parts)))


def _magic(text: str) -> bool:
    return any(character in text for character in "*?[")


def _trim(value: str, operator: str, pieces: list[Piece]) -> str:
    """Cut the shortest or longest match off the start (`#`) or the end (`%`)."""
    pattern = compile_pattern(pieces)
    cuts: Iterable[int] = range(len(value) + 1)
    if (len(operator) == 2) == (operator[0] == "#"):
        cuts = reversed(range(len(value) + 1))
    for cut in cuts:
        if pattern.match(value[:cut] if operator[0] == "#" else value[cut:]):
            return value[cut:] if operator[0] == "#" else value[:cut]
    return value


def _separate(value: str, ifs: str) -> list[str]:
    """The fields of a value; blanks in `ifs` join to one separator, other characters do not."""
    blank = "".join(character for character in " \t\n" if character in ifs)
    hard = "".join(character for character in ifs if character not in blank)
    blanks = f"[{re.escape(blank)}]" if blank else "(?!)"
    if not hard:
        return re.split(f"{blanks}+", value)
    fields = re.split(
        f"{blanks}*[{re.escape(hard)}]{blanks}*|{blanks}+", value.strip(blank or "\0")
    )
    return fields[:-1] if fields[-1] == "" else fields
