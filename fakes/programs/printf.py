"""`printf`, as coreutils, dash and bash have it."""

import os
import re
from collections.abc import Sequence
from typing import NamedTuple

from ..processes.process import SandboxProcess
from .dialect import Dialect
from .escapes import Escapes, unescape
from .utility import NotSupported, Utility, complain

_DIRECTIVE = re.compile(rb"%([-+ #0]*)(\*|[0-9]*)(\.(?:\*|[0-9]*))?(.?)", re.DOTALL)
_NUMBER = re.compile(r"[ \t\n\v\f\r]*([+-]?)(0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*)")
_FORMAT = {
    Dialect.COREUTILS: Escapes(octal=True, hexadecimal=True, stop=True, others=b'"'),
    Dialect.DASH: Escapes(octal=True),
    Dialect.BASH: Escapes(octal=True, hexadecimal=True, others=b"\"'?"),
}
_ARGUMENT = {
    Dialect.COREUTILS: Escapes(zero=True, octal=True, hexadecimal=True, stop=True, others=b'"'),
    Dialect.DASH: Escapes(zero=True, octal=True, stop=True),
    Dialect.BASH: Escapes(zero=True, octal=True, hexadecimal=True, stop=True, others=b"\"'?"),
}
_MOST = (1 << 63) - 1
_MOST_UNSIGNED = (1 << 64) - 1


def printf(dialect: Dialect) -> Utility:
    """Prints by a format, which is used again while there are arguments."""

    async def run(proc: SandboxProcess, argv: Sequence[str]) -> int:
        words = list(argv[1:])
        if words[:1] == ["--"]:
            del words[0]
        elif words and words[0][:1] == "-" and words[0] != "-":
            raise NotSupported(f"option {words[0]}")
        if not words:
            raise NotSupported("no format")
        writer = _FormattedOutput(dialect, [os.fsencode(word) for word in words[1:]])
        writer.print_all(os.fsencode(words[0]))
        await proc.write(1, bytes(writer.shown))
        for problem in writer.problems:
            await complain(proc, "printf", problem)
        return 1 if writer.problems else 0

    return run


class _Directive(NamedTuple):
    """What stands between `%` and the letter, and the letter."""

    flags: str
    width: int
    precision: int | None
    kind: str


class _FormattedOutput:
    """Collects what is printed, and what was wrong with the arguments."""

    def __init__(self, dialect: Dialect, arguments: list[bytes]) -> None:
        self.shown = bytearray()
        self.problems: list[str] = []
        self._dialect = dialect
        self._arguments = arguments

    def print_all(self, form: bytes) -> None:
        """Print, as often as there are arguments for the format."""
        while True:
            before = len(self._arguments)
            stopped = self._print(form)
            if stopped or not self._arguments or len(self._arguments) == before:
                break

    def _print(self, form: bytes) -> bool:
        r"""One pass over the format; whether `\c` or `%b` with it ended all output."""
        position = 0
        while position < len(form):
            found = _DIRECTIVE.search(form, position)
            end = found.start() if found else len(form)
            text, stopped = unescape(form[position:end], _FORMAT[self._dialect])
            self.shown += text
            if stopped or not found:
                return stopped
            position = found.end()
            if found[0] == b"%%":
                self.shown += b"%"
            elif self._convert(self._directive(found)):
                return True
        return False

    def _directive(self, found: "re.Match[bytes]") -> _Directive:
        flags, kind = found[1].decode(), found[4].decode(errors="replace")
        allowed = {"d": "-+ 0", "i": "-+ 0", "u": "-0", "o": "-#0", "x": "-#0", "X": "-#0"}
        if kind not in (*"bcs", *allowed) or set(flags) - set(allowed.get(kind, "-")):
            raise NotSupported(f"printf {found[0].decode(errors='replace')}")
        width = self._amount(found[2])
        if width < 0:
            flags, width = f"{flags}-", -width
        precision = None if found[3] is None else self._amount(found[3][1:])
        return _Directive(flags, width, None if (precision or 0) < 0 else precision, kind)

    def _amount(self, text: bytes) -> int:
        """A width or precision, which may be an argument."""
        if text == b"*":
            return self._integer(self._arguments.pop(0) if self._arguments else None, signed=True)
        return int(text or b"0")

    def _convert(self, directive: _Directive) -> bool:
        r"""Print one argument; whether it had a `\c`."""
        argument = self._arguments.pop(0) if self._arguments else None
        kind, stopped = directive.kind, False
        if kind in "bcs":
            text = argument or b""
            if kind == "b":
                text, stopped = unescape(text, _ARGUMENT[self._dialect])
            if kind == "c":
                text = text[:1] or b"\0"
            elif directive.precision is not None:
                text = text[: directive.precision]
        else:
            value = self._integer(argument, signed=kind in "di")
            text = _digits(directive, value).encode()
        left = "-" in directive.flags
        self.shown += text.ljust(directive.width) if left else text.rjust(directive.width)
        return stopped

    def _integer(self, argument: bytes | None, *, signed: bool) -> int:
        """The number that an argument is; what is wrong with it becomes a problem."""
        if argument is None:
            return 0
        text = argument.decode(errors="replace")
        if text[:1] in ("'", '"') and (len(text) > 1 or self._dialect != Dialect.COREUTILS):
            if not text.isascii():
                raise NotSupported(f"the character {text[1:2]!r} as a number")
            return ord(text[1]) if len(text) > 1 else 0
        found = _NUMBER.match(text)
        if not found:
            if text or self._dialect == Dialect.COREUTILS:
                self.problems.append(f"{text}: expected numeric value")
            return 0
        if found.end() < len(text):
            self.problems.append(f"{text}: not completely converted")
        return self._in_range(text, found, signed=signed)

    def _in_range(self, text: str, found: "re.Match[str]", *, signed: bool) -> int:
        octal = found[2][:1] == "0" and found[2].isdigit()
        value = int(found[2], 8 if octal else 0) * (-1 if found[1] == "-" else 1)
        least, most = (-_MOST - 1, _MOST) if signed else (-_MOST_UNSIGNED, _MOST_UNSIGNED)
        if least <= value <= most:
            return value if signed else value & _MOST_UNSIGNED
        if self._dialect != Dialect.BASH:  # which only warns
            self.problems.append(f"{text}: Numerical result out of range")
        return least if signed and value < 0 else most


def _digits(directive: _Directive, value: int) -> str:
    """A number, as `printf(3)` writes it."""
    flags, kind, precision = directive.flags, directive.kind, directive.precision
    sign = "-" if value < 0 else "+" if "+" in flags else " " if " " in flags else ""
    digits = format(abs(value), kind if kind in "oxX" else "d")
    if precision is not None:
        digits = "" if precision == value == 0 else digits.rjust(precision, "0")
    if "#" in flags and kind == "o" and digits[:1] != "0":
        digits = f"0{digits}"
    elif "#" in flags and kind in "xX" and value:
        sign = f"0{kind}"
    if "0" in flags and "-" not in flags and precision is None:
        digits = digits.rjust(directive.width - len(sign), "0")
    return sign + digits
