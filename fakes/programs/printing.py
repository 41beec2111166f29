"""Programs that print what their arguments say."""

import os
from collections.abc import Sequence

from ..processes.process import SandboxProcess
from .escapes import Escapes, unescape
from .utility import (
    NotSupported,
    complain,
    number,
    options,
)


async def seq(proc: SandboxProcess, argv: Sequence[str]) -> int:
    """Whole numbers, one a line."""
    given, rest = options(_protected(argv), "s:", {"separator": "s"}, permute=False)
    if any(text.lstrip("+-")[:1] == "0" and len(text) > 1 for text in rest):
        raise NotSupported("a number that begins with 0")
    values = [number(text, "number") for text in rest]
    if not 1 <= len(values) <= 3:
        raise NotSupported(f"{len(values)} numbers")
    first, step = (values[0] if len(values) > 1 else 1), (values[1] if len(values) == 3 else 1)
    if step == 0:
        await complain(proc, "seq", "the step is 0")
        return 1
    numbers = range(first, values[-1] + (1 if step > 0 else -1), step)
    separator = given.get("-s", "\n")
    for start in range(0, len(numbers), 10_000):  # nothing at all, if there are no numbers
        part = separator.join(map(str, numbers[start : start + 10_000]))
        last = start + 10_000 >= len(numbers)
        await proc.say(part + ("\n" if last else separator))
    return 0


async def yes(proc: SandboxProcess, argv: Sequence[str]) -> int:
    """One line, over and over."""
    _, words = options(argv, "", permute=False)
    line = os.fsencode(" ".join(words) if words else "y") + b"\n"
    while True:
        await proc.write(1, line * max(1, 4096 // len(line)))


async def echo(proc: SandboxProcess, argv: Sequence[str]) -> int:
    """Print words; `-n` without the line end, `-e` with escapes, as coreutils do it."""
    return await _echo(proc, argv, Escapes(zero=True, octal=True, hexadecimal=True, stop=True))


async def bash_echo(proc: SandboxProcess, argv: Sequence[str]) -> int:
    """Print words, as bash does it, whose octal escapes begin with a zero."""
    return await _echo(proc, argv, Escapes(zero=True, hexadecimal=True, stop=True))


async def _echo(proc: SandboxProcess, argv: Sequence[str], escapes: Escapes) -> int:
    words, flags = list(argv[1:]), ""
    while words and words[0][:1] == "-" and words[0][1:] and not words[0][1:].strip("neE"):
        flags += words.pop(0)[1:]
    data = os.fsencode(" ".join(words))
    stopped = False
    if flags.rfind("e") > flags.rfind("E"):  # the last one counts
        data, stopped = unescape(data, escapes)
    await proc.write(1, data if stopped or "n" in flags else data + b"\n")
    return 0


async def posix_echo(proc: SandboxProcess, argv: Sequence[str]) -> int:
    """Print words with escapes replaced, as POSIX (XSI) and the `sh` of Debian do it."""
    words = list(argv[1:])
    end = b"\n"
    if words[:1] == ["-n"]:
        del words[0]
        end = b""
    escapes = Escapes(zero=True, octal=True, stop=True)
    data, stopped = unescape(os.fsencode(" ".join(words)), escapes)
    await proc.write(1, data if stopped else data + end)
    return 0


def _protected(argv: Sequence[str]) -> list[str]:
    """Put `--` before a first operand that is negative, so that it is not taken for an option."""
    words = list(argv)
    index = 1
    while index < len(words) and words[index][:1] == "-" and words[index] != "--":
        if words[index][1:].isdigit():
            return [*words[:index], "--", *words[index:]]
        index += 2 if words[index] in ("-s", "--separator") else 1
    return words
