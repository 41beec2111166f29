"""Numbers and times in headers of a tar."""

from __future__ import annotations

import functools

from .member import TarError

_NANO = 10**9
#: Decimal digits of a number in an extended header; more than 64 bits have.
MOST_DIGITS = 20
#: Seconds that fit into `time_t`.
_SECONDS = 1 << 63


# Members of a tar have few different modes, owners, times and sizes: three of four are known.
@functools.lru_cache(maxsize=4096)
def parse_field(field: bytes) -> int:
    """A number of a header block: octal digits, or GNU's and star's binary form.

    Raises:
        TarError: it is neither.
    """
    if field[0] & 0x80:
        # The highest bit marks the form; the rest is big-endian in two's complement.
        bits = 8 * len(field) - 1
        value = int.from_bytes(field, "big") - (1 << bits)
        return value - (1 << bits) if value >> (bits - 1) else value
    digits = field.partition(b"\0")[0].strip(b" ")
    if digits.strip(b"01234567"):
        raise TarError(f"{field!r} is not a number in a header")
    return int(digits or b"0", 8)


def parse_decimal(text: str) -> int:
    """A number of an extended header, or of a map of holes; never negative.

    Raises:
        TarError: it is none.
    """
    if not (text.isascii() and text.isdigit() and len(text) <= MOST_DIGITS):
        raise TarError(f"{text[:40]!r} is not a number")
    return int(text)


def parse_time(text: str) -> int:
    """A time of an extended header, in nanoseconds: `-4.5` is half a second before -4.

    Raises:
        TarError: it is none, or does not fit into 64 bits.
    """
    sign, digits = (-1, text[1:]) if text.startswith("-") else (1, text)
    whole, _, fraction = digits.partition(".")
    if fraction and not (fraction.isascii() and fraction.isdigit()):
        raise TarError(f"{text[:40]!r} is not a time")
    return checked_time(sign * (parse_decimal(whole) * _NANO + int(f"{fraction[:9]:0<9}")))


def checked_time(nanoseconds: int) -> int:
    """The time, if the kernel can take it; else `TarError`."""
    if not -_SECONDS * _NANO <= nanoseconds < _SECONDS * _NANO:
        raise TarError(f"the time {nanoseconds} ns does not fit into 64 bits of seconds")
    return nanoseconds


def format_time(nanoseconds: int) -> str:
    """A time for an extended header, as exact as needed."""
    whole, fraction = divmod(abs(nanoseconds), _NANO)
    sign = "-" if nanoseconds < 0 else ""
    return f"{sign}{whole}.{fraction:09d}".rstrip("0").rstrip(".")
