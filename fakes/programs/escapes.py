"""Backslash escapes of `echo` and `printf`."""

from typing import NamedTuple

from .utility import NotSupported

_ESCAPES = {
    b"a": b"\a", b"b": b"\b", b"e": b"\x1b", b"f": b"\f", b"n": b"\n", b"r": b"\r",
    b"t": b"\t", b"v": b"\v", b"\\": b"\\",
}  # fmt: skip
_OCTAL = b"01234567"
_HEX = b"0123456789abcdefABCDEF"


class Escapes(NamedTuple):
    r"""Which escapes there are, besides the single letters that all have.

    Attributes:
        zero: `\0` is followed by up to three octal digits more.
        octal: up to three octal digits.
        hexadecimal: `\x` and up to two digits; then `\u` and `\U` too, which are refused.
        stop: `\c` ends all output.
        others: single characters that stand for themselves.
    """

    zero: bool = False
    octal: bool = False
    hexadecimal: bool = False
    stop: bool = False
    others: bytes = b""


def unescape(text: bytes, escapes: Escapes) -> tuple[bytes, bool]:
    r"""Replace escapes; whether `\c` said that nothing more is to be printed.

    Raises:
        NotSupported: names an escape that is not known here.
    """
    shown = bytearray()
    position = 0
    while position < len(text):
        key = text[position + 1 : position + 2]
        if text[position : position + 1] != b"\\" or not key:
            shown += text[position : position + 1]
            position += 1
            continue
        position += 2
        if key == b"c" and escapes.stop:
            return bytes(shown), True
        if escapes.hexadecimal and key in b"uUE":
            raise NotSupported(f"the escape \\{key.decode()}")
        digits = _digits(text, position, key, escapes)
        if digits is not None:
            position += len(digits) - (key != b"x" and not (key == b"0" and escapes.zero))
            shown.append(int(digits or b"0", 16 if key == b"x" else 8) & 255)
        elif key in escapes.others:
            shown += key
        else:
            shown += _ESCAPES.get(key, b"\\" + key)
    return bytes(shown), False


def _digits(text: bytes, position: int, key: bytes, escapes: Escapes) -> bytes | None:
    """The digits of a number, whose first one may be `key`; `None` if it is no number."""
    if key == b"x" and escapes.hexadecimal:
        digits = _leading(text[position : position + 2], _HEX)
        if not digits:
            raise NotSupported("the escape \\x without a digit")
        return digits
    if key == b"0" and escapes.zero:
        return _leading(text[position : position + 3], _OCTAL)
    if key in _OCTAL and escapes.octal:
        return _leading(text[position - 1 : position + 2], _OCTAL)
    return None


def _leading(text: bytes, digits: bytes) -> bytes:
    return text[: len(text) - len(text.lstrip(digits))]
