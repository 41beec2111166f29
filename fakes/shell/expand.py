"""From words of a script to the arguments of a command."""

import os
import re
from collections.abc import Iterable
from typing import Protocol

from ..files.inode import Directory
from ..processes.process import SandboxProcess
from .arithmetic import evaluate
from .patterns import Piece, ShellPattern, characters, magic
from .syntax import Arithmetic, CommandList, Literal, Parameter, Part, Tilde, Word
from .words import SyntaxProblem, Unknown

_DECLARED = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=")
_LOCALES = ("LC_ALL", "LC_CTYPE", "LANG")
_BREAK = None  # between two fields


class Variables(Protocol):
    """What expansion needs of a shell."""

    proc: SandboxProcess
    arguments: list[str]
    bash: bool

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

    @property
    def bash(self) -> bool:
        """Whether the shell was called as bash."""
        return self._shell.bash

    async def fields(self, words: Iterable[Word]) -> list[str]:
        """All expansions, splitting and patterns included: the arguments of a command.

        What `export` and `local` assign is not split.
        """
        found: list[str] = []
        for word in words:
            part = word[0] if word else None
            if isinstance(part, Literal):
                if len(word) == 1 and not magic(part.text):
                    found.append(part.text)
                    continue
                if found[:1] in (["export"], ["local"]) and _DECLARED.match(part.text):
                    found.append(await self.text(word))
                    continue
            for pieces in await self._split(word):
                found += self._paths(pieces)
        return found

    async def text(self, word: Word) -> str:
        """Expansion without splitting or patterns: a value, a path, a document."""
        return "".join([text for text, _ in await self._joined(word)])

    async def pattern(self, word: Word) -> ShellPattern:
        """A word as a pattern: what was quoted counts as text."""
        return ShellPattern(await self._joined(word))

    def bytes_only(self, text: str) -> str:
        """A text whose characters are counted or compared.

        Raises:
            Unknown: it has characters of several bytes, and the locale of bash says so.
        """
        if self._shell.bash and not text.isascii():
            locale = next((v for name in _LOCALES if (v := self._shell.lookup(name))), "")
            if "utf" in locale.lower():
                raise Unknown("a pattern or length of a text that is not ASCII, in UTF-8,")
        return text

    async def _joined(self, word: Word) -> list[Piece]:
        pieces: list[Piece] = []
        for part in word:
            found = await self._part(part, split=False)
            ifs = self._shell.lookup("IFS")
            star = not self._shell.bash or (isinstance(part, Parameter) and part.name == "*")
            between = ifs[:1] if star and ifs is not None else " "
            pieces += [(between, True) if piece is None else piece for piece in found]
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
            home = self._shell.lookup("HOME")
            if home is None and self._shell.bash:
                home = "/root"  # as the machine's list of users has it
            return [("~" if home is None else home, bool(home) or self._shell.bash)]
        if isinstance(part, Parameter):
            return await self._parameter(part, split=split)
        if isinstance(part, Arithmetic):
            expression = await self.text(part.expression)
            value = str(evaluate(expression, self._number_of, bash=self._shell.bash))
        else:
            value = await self._shell.output_of(part.script)
        return self._cut(value, quoted=part.quoted, split=split)

    def _number_of(self, name: str) -> str:
        value = self._shell.lookup(name)
        if value is None and self._shell.bash and self._shell.unset_is_an_error(name):
            raise Unknown(f"the unset variable {name} in $((...)), with set -u,")
        return value or "0"

    async def _parameter(self, part: Parameter, *, split: bool) -> list[Piece | None]:
        shell = self._shell
        if part.name in ("@", "*") and not part.operator:
            return self._all_arguments(part, split=split)
        value = " ".join(shell.arguments) if part.name in ("@", "*") else shell.lookup(part.name)
        operator = part.operator
        kind = operator[-1:]
        if value is None and kind in ("", "h", "%", "#") and shell.unset_is_an_error(part.name):
            raise SyntaxProblem(f"{part.name}: parameter not set")
        if operator == "length" and shell.bash and part.name in ("@", "*"):
            return [(str(len(shell.arguments)), part.quoted)]
        if operator == "length":
            return [(str(len(characters(self.bytes_only(value or "")))), part.quoted)]
        if operator[:1] in ("%", "#"):
            pattern = ShellPattern(await self._joined(part.word))
            cut = pattern.trim(self.bytes_only(value or ""), operator)
            return self._cut(cut, quoted=part.quoted, split=split)
        unset = value is None or (operator[:1] == ":" and value == "")
        if kind == "+":
            return [] if unset else await self._word(part, split=split)
        if not unset or not kind:
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
        if not any(magic(text) for text, quoted in pieces if not quoted):
            return [text]
        return sorted(self._glob(pieces), key=os.fsencode) or [text]

    def _glob(self, pieces: list[Piece]) -> list[str]:
        steps: list[list[Piece]] = [[]]
        for text, quoted in pieces:
            first, *rest = text.split("/")
            steps[-1].append((first, quoted))
            steps += [[(below, quoted)] for below in rest]
        found = [""]
        for index, step in enumerate(steps):
            plain = "".join([text for text, _ in step])
            wild = any(magic(text) for text, quoted in step if not quoted)
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
            names = list(proc.fs.names(proc.fs.folder(path or ".", base=proc.cwd)))
        except OSError:
            return []
        pattern = ShellPattern(step)
        hidden = "".join([text for text, _ in step]).startswith(".")
        if not self._shell.bash:  # which leaves them out, from 5.2 on
            names += [".", ".."]
        return [
            name
            for name in names
            if (hidden or name[0] != ".") and pattern.matches(self.bytes_only(name))
        ]

    def _exists(self, path: str) -> bool:
        proc = self._shell.proc
        try:
            inode = proc.fs.lookup(path, base=proc.cwd, follow=False)
        except OSError:
            return False
        return not path.endswith("/") or isinstance(inode, Directory)


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
