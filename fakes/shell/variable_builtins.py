"""The commands of a shell about its variables, options and arguments."""

import os
import re

from ..processes.process import SandboxProcess
from ..programs import NotSupported
from .state import ShellState

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
#: Options of `set` that have a letter, and names of options for `set -o`.
_LETTERS = "aeux"
_LONG = {"errexit": "e", "nounset": "u", "xtrace": "x", "allexport": "a", "pipefail": "pipefail"}


async def export(shell: ShellState, words: list[str]) -> int:
    """Give variables to programs."""
    for word in words[1:]:
        name, equals, value = word.partition("=")
        _check_name(name)
        if equals:
            shell.assign(name, value)
        shell.exported.add(name)
    if words[1:] in ([], ["-p"]):
        names = sorted(shell.environment())
        await shell.proc.say("".join(f"export {n}='{shell.lookup(n)}'\n" for n in names))
    return 0


async def local(shell: ShellState, words: list[str]) -> int:
    """Make variables of a function its own."""
    if not shell.locals:
        raise NotSupported("local outside a function")
    for word in words[1:]:
        name, equals, value = word.partition("=")
        _check_name(name)
        shell.locals[-1].setdefault(name, shell.variables.get(name))
        if equals:
            shell.assign(name, value)
        else:
            shell.variables.pop(name, None)
    return 0


async def unset(shell: ShellState, words: list[str]) -> int:
    """Forget variables, or functions with `-f`."""
    for name in words[1:]:
        if name in ("-v", "-f"):
            continue
        if words[1] == "-f":
            shell.functions.pop(name, None)
        else:
            shell.variables.pop(name, None)
            shell.exported.discard(name)
    return 0


async def read(shell: ShellState, words: list[str]) -> int:
    """Read a line into variables; byte by byte, so that the next program gets the next line."""
    names = words[1:]
    raw = names[:1] == ["-r"]
    names = names[1:] if raw else names
    for name in names:
        _check_name(name)
    line, ended = await _line(shell.proc, raw=raw)
    text = os.fsdecode(line)
    ifs = shell.lookup("IFS") or ""
    blanks = "".join(character for character in ifs if character in " \t\n")
    names = names or ["REPLY"]
    rest = text.strip(blanks) if blanks else text
    for name in names[:-1]:
        field = re.match(f"[^{re.escape(ifs)}]*", rest) if ifs else re.match(".*", rest)
        value = field[0] if field else ""
        rest = rest[len(value) :]
        rest = re.sub(f"^[{re.escape(blanks)}]*", "", rest) if blanks else rest
        if rest[:1] and rest[0] in ifs and rest[0] not in blanks:
            rest = rest[1:].lstrip(blanks)
        shell.assign(name, value)
    shell.assign(names[-1], rest)
    return 1 if ended else 0


async def _line(proc: SandboxProcess, *, raw: bool) -> tuple[bytes, bool]:
    line = bytearray()
    while byte := await proc.read(0, 1):
        if byte == b"\n":
            return bytes(line), False
        if byte == b"\\" and not raw:
            byte = await proc.read(0, 1)
            if byte == b"\n":
                continue
        line += byte
    return bytes(line), True


async def set_(shell: ShellState, words: list[str]) -> int:
    """Set options and arguments."""
    rest = words[1:]
    while rest and rest[0][:1] in "-+" and len(rest[0]) > 1:
        word = rest.pop(0)
        if word == "--":
            shell.arguments = rest
            return 0
        turn = shell.options.add if word[0] == "-" else shell.options.discard
        for letter in word[1:]:
            if letter == "o" and rest and rest[0] in _LONG:
                turn(_LONG[rest.pop(0)])
            elif letter in _LETTERS:
                turn(letter)
            else:
                raise NotSupported(f"the option {word}{' ' + rest[0] if rest else ''}")
    if rest:
        shell.arguments = rest
    elif len(words) == 1:
        raise NotSupported("set without arguments")
    return 0


def _check_name(name: str) -> None:
    if not _NAME.match(name):
        raise NotSupported(f"the name {name!r}")
