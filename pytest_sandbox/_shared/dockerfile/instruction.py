"""One instruction of a Dockerfile, as it was read."""

from __future__ import annotations

import json
from dataclasses import dataclass, field


class DockerfileError(ValueError):
    """A Dockerfile that is none; the message is for the user."""


@dataclass(frozen=True)
class Heredoc:
    """A text that follows on an instruction.

    Attributes:
        name: the word that ends it.
        body: its lines as they were written.
        expand: whether variables in it are replaced: its name was not quoted.
        strip_tabs: whether tabs at the beginning of its lines are no part of it: `<<-`.
    """

    name: str
    body: str
    expand: bool = True
    strip_tabs: bool = False

    @property
    def content(self) -> str:
        """The text that it stands for."""
        if not self.strip_tabs:
            return self.body
        return "".join(line.lstrip("\t") for line in self.body.splitlines(keepends=True))


@dataclass(frozen=True)
class Instruction:
    """One instruction.

    Attributes:
        verb: in upper case: `"RUN"`.
        rest: what follows, without its flags.
        flags: names and values, in order: `("chmod", "755")` for `--chmod=755`.
        heredocs: the texts that follow, in order.
        escape: what takes the meaning from the next character.
        number: of its first line, from 1.
    """

    verb: str
    rest: str
    flags: tuple[tuple[str, str], ...] = ()
    heredocs: tuple[Heredoc, ...] = ()
    escape: str = field(default="\\", compare=False)
    number: int = field(default=0, compare=False)

    def __str__(self) -> str:
        flags = "".join(f"--{name}{value and f'={value}'} " for name, value in self.flags)
        texts = "".join(f"\n{each.body}{each.name}" for each in self.heredocs)
        return f"{self.verb} {flags}{self.rest}{texts}".rstrip()


def exec_form(text: str) -> tuple[str, ...] | None:
    """The words of a JSON list of strings; `None` for a text that a shell has to run."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, list) or not all(isinstance(word, str) for word in value):
        return None
    return tuple(value)
