"""The lines of a definition as instructions of a Dockerfile, and their words.

See "Dockerfile reference" of Docker: sections "Format", "Parser directives" and "Environment
replacement". A heredoc is refused.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from ..rpc.errors import unimplemented

#: `${name}`, `${name:-value}`, `${name:+value}` or `$name`, from where it begins.
_VARIABLE = re.compile(r"\$(?:\{(\w+)(?:(:[-+])((?:\\.|[^\\}])*))?\}|(\w+))")
_HEREDOC = re.compile(r"""(?:^|\s)\d*<<-?["']?\w+["']?(?=\s|$)""")
_FLAG = re.compile(r"--(\w+)(?:=(\S*))?\s+")


@dataclass(frozen=True)
class Instruction:
    """One instruction.

    Attributes:
        verb: in upper case: `"RUN"`.
        rest: what follows, without its flags.
        flags: `{"chmod": "755"}` for `--chmod=755`.
    """

    verb: str
    rest: str
    flags: Mapping[str, str]

    def __str__(self) -> str:
        flags = "".join(f"--{name}={value} " for name, value in self.flags.items())
        return f"{self.verb} {flags}{self.rest}"


def instructions(lines: Iterable[str]) -> Iterator[Instruction]:
    """The instructions in the lines of a definition.

    Raises:
        GRPCError: UNIMPLEMENTED, for a heredoc.
    """
    pending: list[str] = []
    for line in "\n".join(lines).split("\n"):
        text = line.strip() if not pending else line.rstrip()
        if not text or text.lstrip().startswith("#"):
            continue  # also within a long line
        if text.endswith("\\"):
            pending.append(text[:-1])
            continue
        yield _instruction("".join([*pending, text]))
        pending = []
    if pending:
        yield _instruction("".join(pending))


def _instruction(text: str) -> Instruction:
    verb, *rest = text.split(None, 1)
    words = rest[0] if rest else ""
    flags: dict[str, str] = {}
    while match := _FLAG.match(words):
        flags[match[1]] = match[2] or ""
        words = words[match.end() :]
    instruction = Instruction(verb.upper(), words.strip(), flags)
    if instruction.verb in ("RUN", "COPY", "ADD") and _HEREDOC.search(words):
        raise unimplemented(
            f"an image with a heredoc is not implemented by pytest-sandbox: {str(instruction)!r}; "
            "write the lines into a file, and add that"
        )
    return instruction


def words(text: str, variables: Mapping[str, str]) -> list[str]:
    """The words of a line, as Docker splits it: quotes are gone, and variables have their values.

    Raises:
        ValueError: a quotation mark has no partner.
    """
    found: list[str] = []
    word: list[str] | None = None
    quote = ""
    position = 0
    while position < len(text):
        character, step = text[position], 1
        if not quote and character.isspace():
            if word is not None:
                found.append("".join(word))
            word = None
        else:
            word = [] if word is None else word
            if character == quote or (not quote and character in "\"'"):
                quote = "" if quote else character
            elif character == "\\" and quote != "'" and position + 1 < len(text):
                escaped = text[position + 1]
                word.append(escaped if not quote or escaped in '"$\\' else "\\" + escaped)
                step = 2
            elif quote != "'" and (match := _VARIABLE.match(text, position)):
                word.append(_value(match, variables))
                step = match.end() - position
            else:
                word.append(character)
        position += step
    if quote:
        raise ValueError(f"a {quote} has no partner")
    return found if word is None else [*found, "".join(word)]


def _value(match: "re.Match[str]", variables: Mapping[str, str]) -> str:
    value = variables.get(match[1] or match[4], "")
    if match[2] == ":-":
        return value or _plain(match[3], variables)
    if match[2] == ":+":
        return _plain(match[3], variables) if value else ""
    return value


def _plain(text: str, variables: Mapping[str, str]) -> str:
    return _VARIABLE.sub(lambda match: _value(match, variables), text)


def exec_form(text: str) -> tuple[str, ...] | None:
    """The words of a JSON list of strings; `None` for a text that a shell has to run."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, list) or not all(isinstance(word, str) for word in value):
        return None
    return tuple(value)
