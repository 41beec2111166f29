"""The commands of a shell about its variables, options and arguments."""

import os
import re

from ..processes.process import Exit, SandboxProcess
from ..programs import NotSupported, complain
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
        elif shell.bash:
            shell.variables.pop(name, None)
    return 0


async def unset(shell: ShellState, words: list[str]) -> int:
    """Forget variables, or functions with `-f`."""
    for name in words[1:]:
        if name in ("-v", "-f"):
            continue
        undefined = words[1] == "-f" or (shell.bash and name not in shell.variables)
        if undefined and words[1] != "-v":
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
    if not names and not shell.bash:
        await complain(shell.proc, shell.name, "1: read: arg count")
        return 2
    line, ended = await _line(shell.proc, raw=raw)
    if names:
        given = shell.lookup("IFS")
        _assign_fields(shell, names, line, " \t\n" if given is None else given)
    else:
        shell.assign("REPLY", os.fsdecode(bytes(byte for byte, _ in line)))
    return 1 if ended else 0


def _assign_fields(
    shell: ShellState, names: list[str], line: list[tuple[int, bool]], ifs: str
) -> None:
    """Split a line at `IFS`; the last variable takes what is left.

    Args:
        shell: whose variables are assigned.
        names: of the variables.
        line: bytes, each with whether a backslash came before it.
        ifs: the separators.
    """
    separators = os.fsencode(ifs)
    blank = bytes(byte for byte in separators if byte in b" \t\n")

    def at(position: int, of: bytes) -> bool:
        return position < len(line) and not line[position][1] and line[position][0] in of

    def skip(position: int, of: bytes, *, until: bool = False) -> int:
        while position < len(line) and at(position, of) != until:
            position += 1
        return position

    position = skip(0, blank)
    for name in names[:-1]:
        end = skip(position, separators, until=True)
        shell.assign(name, _text(line[position:end]))
        position = skip(end, blank)
        if at(position, separators):
            position = skip(position + 1, blank)
    end = len(line)
    while end > position and at(end - 1, blank):
        end -= 1
    # A separator at the end ends the last field, if there is no other one in what is left.
    only = skip(position, separators, until=True)
    if end and at(end - 1, separators) and skip(only, blank) == end - 1:
        end = only
    shell.assign(names[-1], _text(line[position:end]))


def _text(line: list[tuple[int, bool]]) -> str:
    return os.fsdecode(bytes(byte for byte, _ in line))


async def _line(proc: SandboxProcess, *, raw: bool) -> tuple[list[tuple[int, bool]], bool]:
    """The bytes of a line, each with whether it was escaped; whether the input ended first."""
    line: list[tuple[int, bool]] = []
    while byte := await proc.read(0, 1):
        if byte == b"\n":
            return line, False
        escaped = byte == b"\\" and not raw
        if escaped:
            byte = await proc.read(0, 1)
            if byte in (b"\n", b""):
                continue
        if byte != b"\0":
            line.append((byte[0], escaped))
    return line, True


async def set_(shell: ShellState, words: list[str]) -> int:
    """Set options and arguments."""
    rest = words[1:]
    while rest and rest[0][:1] in ("-", "+"):
        word = rest.pop(0)
        if word == "+" and shell.bash and not rest:
            raise NotSupported("set +")
        if word in ("-", "+"):
            shell.options.discard("x")
            break
        if word == "--":
            shell.arguments = rest
            return 0
        await _turn_options(shell, word, rest)
    if rest:
        shell.arguments = rest
    elif len(words) == 1:
        raise NotSupported("set without arguments")
    return 0


async def _turn_options(shell: ShellState, word: str, rest: list[str]) -> None:
    """Turn options on with `-`, or off with `+`; `o` takes a name from the words after it."""
    turn = shell.options.add if word[0] == "-" else shell.options.discard
    for letter in word[1:]:
        if letter == "o" and rest[:1] == ["pipefail"] and not shell.bash:
            await complain(shell.proc, shell.name, "1: set: Illegal option -o pipefail")
            raise Exit(2)
        if letter == "o" and rest and rest[0] in _LONG:
            turn(_LONG[rest.pop(0)])
        elif letter in _LETTERS:
            turn(letter)
        else:
            raise NotSupported(f"the option {word}{' ' + rest[0] if rest else ''}")


def _check_name(name: str) -> None:
    if not _NAME.match(name):
        raise NotSupported(f"the name {name!r}")
