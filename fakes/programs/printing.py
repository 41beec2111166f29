"""Programs that print what their arguments say."""

import itertools
import os
from collections.abc import Sequence

from ..processes.process import SandboxProcess
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
    """Print words; `-n` without the line end, `-e` with escapes, as bash does it."""
    words, flags = list(argv[1:]), ""
    while words and words[0][:1] == "-" and words[0][1:] and not words[0][1:].strip("neE"):
        flags += words.pop(0)[1:]
    data = os.fsencode(" ".join(words))
    stopped = False
    if flags.rfind("e") > flags.rfind("E"):  # the last one counts
        data, stopped = unescape(data, octal_needs_zero=True)
    await proc.write(1, data if stopped or "n" in flags else data + b"\n")
    return 0


async def posix_echo(proc: SandboxProcess, argv: Sequence[str]) -> int:
    """Print words with escapes replaced, as POSIX (XSI) and the `sh` of Debian do it."""
    words = list(argv[1:])
    end = b"\n"
    if words[:1] == ["-n"]:
        del words[0]
        end = b""
    data, stopped = unescape(os.fsencode(" ".join(words)), octal_needs_zero=True)
    await proc.write(1, data if stopped else data + end)
    return 0


async def printf(proc: SandboxProcess, argv: Sequence[str]) -> int:
    """Print by a format, which is used again while there are arguments."""
    words = list(argv[1:])
    if words[:1] == ["--"]:
        del words[0]
    elif words and words[0][:1] == "-":
        raise NotSupported(f"option {words[0]}")
    if not words:
        raise NotSupported("no format")
    form, arguments = os.fsencode(words[0]), [os.fsencode(word) for word in words[1:]]
    shown = bytearray()
    wrong: list[str] = []
    while True:
        before = len(arguments)
        stopped = _format(form, arguments, shown, wrong)
        if stopped or not arguments or len(arguments) == before:
            break
    await proc.write(1, bytes(shown))
    for text in wrong:
        await complain(proc, "printf", f"{text}: expected numeric value")
    return 1 if wrong else 0


def _format(form: bytes, arguments: list[bytes], shown: bytearray, wrong: list[str]) -> bool:
    r"""One pass over a format; whether `\c` or `%b` with it ended all output."""
    position = 0
    while position < len(form):
        percent = form.find(b"%", position)
        literal = form[position : percent if percent >= 0 else len(form)]
        text, stopped = unescape(literal, octal_needs_zero=False)
        shown += text
        if stopped or percent < 0:
            return stopped
        end = percent + 1
        while form[end : end + 1] in (*(b"%c" % c for c in b"-+ #0123456789."), b"*"):
            end += 1
        flags, kind = form[percent + 1 : end], form[end : end + 1]
        position = end + 1
        if kind == b"%":
            shown += b"%"
            continue
        if b"*" in flags:
            flags = flags.replace(b"*", arguments.pop(0) if arguments else b"0", 1)
        argument = arguments.pop(0) if arguments else b""
        text, stopped = _convert(flags, kind, argument, wrong)
        shown += text
        if stopped:
            return True
    return False


def _convert(flags: bytes, kind: bytes, argument: bytes, wrong: list[str]) -> tuple[bytes, bool]:
    stopped = False
    if kind == b"b":
        argument, stopped = unescape(argument, octal_needs_zero=True)
    if kind == b"c":
        argument = argument[:1]
    if kind in (b"s", b"b", b"c"):
        return (b"%" + flags + b"s") % (argument,), stopped
    if kind in (b"d", b"i", b"u", b"x", b"X", b"o"):
        kind = b"d" if kind in b"iu" else kind
        return (b"%" + flags + kind) % _integer(argument, wrong), False
    if kind in (b"f", b"e", b"g"):
        raise NotSupported(f"printf %{kind.decode()}")
    raise NotSupported(f"printf %{kind.decode(errors='replace')}")


def _integer(argument: bytes, wrong: list[str]) -> int:
    text = argument.decode(errors="replace")
    if text[:1] in ("'", '"') and len(text) > 1:
        return ord(text[1])
    try:
        return int(text or "0", 8 if text.lstrip("+-").startswith("0") and text.isdigit() else 0)
    except ValueError:
        wrong.append(text)
        return int("".join(itertools.takewhile(str.isdigit, text)) or "0")


_ESCAPES = {
    b"a": b"\a", b"b": b"\b", b"e": b"\x1b", b"f": b"\f", b"n": b"\n", b"r": b"\r",
    b"t": b"\t", b"v": b"\v", b"\\": b"\\", b'"': b'"',
}  # fmt: skip


def unescape(text: bytes, *, octal_needs_zero: bool) -> tuple[bytes, bool]:
    r"""Replace backslash escapes; whether `\c` said that nothing more is to be printed."""
    shown = bytearray()
    position = 0
    while position < len(text):
        key = text[position + 1 : position + 2]
        if text[position : position + 1] != b"\\" or not key:
            shown += text[position : position + 1]
            position += 1
            continue
        position += 2
        if key == b"c":
            return bytes(shown), True
        if key in _ESCAPES:
            shown += _ESCAPES[key]
        elif key == b"x" or (key in b"01234567" and (key == b"0" or not octal_needs_zero)):
            start = position if key == b"x" or octal_needs_zero else position - 1
            digits, most = (b"0123456789abcdefABCDEF", 2) if key == b"x" else (b"01234567", 3)
            position = start
            while position < min(start + most, len(text)) and text[position] in digits:
                position += 1
            code = text[start:position]
            shown.append(int(code or b"0", 16 if key == b"x" else 8) & 255)
        else:
            shown += b"\\" + key
    return bytes(shown), False


def _protected(argv: Sequence[str]) -> list[str]:
    """Put `--` before a first operand that is negative, so that it is not taken for an option."""
    words = list(argv)
    index = 1
    while index < len(words) and words[index][:1] == "-" and words[index] != "--":
        if words[index][1:].isdigit():
            return [*words[:index], "--", *words[index:]]
        index += 2 if words[index] in ("-s", "--separator") else 1
    return words
