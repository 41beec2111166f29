"""Decoding what a sandbox gives, with an error that says how to get the bytes."""

from __future__ import annotations

__tracebackhide__ = True  # a failing test shows the caller's line, not these


def decode(data: bytes, instead: str) -> str:
    """The text of bytes in UTF-8.

    Args:
        data: the bytes.
        instead: how the caller gets bytes, for the error.

    Raises:
        UnicodeDecodeError: they are not UTF-8.
    """
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        error.reason = f"{error.reason}; for bytes, use {instead}"
        raise
